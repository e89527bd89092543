"""Lines of PageViews/, judged by compiled code; the ones it is not sure of are left over."""

import numpy as np
from numpy.typing import NDArray

from flows.logs.distinct_views import Views, add_view, pointers
from flows.logs.records import MOST_URL_BYTES
from flows.logs.scan_alike import ENVIRONMENT, TS, URL, USER_ID, forget, judge_alike, remember
from flows.logs.scan_escapes import room_for, unescape
from flows.logs.scan_json import (
    ABSENT,
    CLOSE_BRACE,
    COMMA,
    ESCAPED,
    NULL,
    NUMBER,
    OPEN_BRACE,
    OPEN_BRACKET,
    QUOTE,
    TEXT,
    nested_end,
    scalar_end,
    skip_space,
    text_end,
)
from flows.logs.scan_json import OTHER as OTHER_VALUE
from flows.logs.scan_values import (
    COLON,
    LF,
    UNKNOWN,
    equal,
    instant,
    integer,
    is_utf8,
    line_end,
    starts,
)
from flows.logs.verdicts import ANONYMOUS, BLANK, COUNTED, FULL, OTHER_ENVIRONMENT, UNSURE
from flows.machine_code.functions import Items, Matrix, compiled, inlined
from flows.machine_code.primitives import pointer

FIELDS = 12
_TS, _URL, _ENVIRONMENT, _USER_ID = map(tuple, (b"ts", b"url", b"environment", b"user_id"))
_MOST_TEXT = MOST_URL_BYTES
_ROOM = room_for(_MOST_TEXT)
TEXTS = 3 * _ROOM
"""Room for the texts of a line that are written with escapes."""


@inlined
def _field(data: Items, start: int, end: int) -> int:
    """Which of the four fields has this name; -1 for none of them."""
    size = end - start
    if size == 2 and starts(data, start, _TS):
        return TS
    if size == 3 and starts(data, start, _URL):
        return URL
    if size == 11 and starts(data, start, _ENVIRONMENT):
        return ENVIRONMENT
    if size == 7 and starts(data, start, _USER_ID):
        return USER_ID
    return -1


@inlined
def _read_members(data: Items, at: int, fields: Items, texts: Items) -> int:
    """Walk the object that starts here; note kind, start and end of the four fields.

    Of equal names the last counts. Gives the line's end, or UNKNOWN where the line is not surely
    one object.
    """
    for field in range(4):
        fields[3 * field] = ABSENT
    at = skip_space(data, at + 1)
    if data[at] == CLOSE_BRACE:
        at = skip_space(data, at + 1)
        return at if data[at] == LF else UNKNOWN
    while True:
        if data[at] != QUOTE:
            return UNKNOWN
        name = at + 1
        end, escaped = text_end(data, name)
        if end == UNKNOWN:
            return UNKNOWN
        if escaped:
            # What cannot be unescaped is none of the four.
            field = _field(texts, 0, unescape(data, name, texts, 0, _MOST_TEXT))
        else:
            field = _field(data, name, end)
        at = skip_space(data, end + 1)
        if data[at] != COLON:
            return UNKNOWN
        at = skip_space(data, at + 1)
        start = at
        if data[at] == OPEN_BRACE or data[at] == OPEN_BRACKET:
            at, kind = nested_end(data, at), OTHER_VALUE
        else:
            at, kind = scalar_end(data, at)
        if at == UNKNOWN:
            return UNKNOWN
        if field >= 0:
            quotes = 1 if kind == TEXT or kind == ESCAPED else 0
            fields[3 * field] = kind
            fields[3 * field + 1] = start + quotes
            fields[3 * field + 2] = at - quotes
        at = skip_space(data, at)
        if data[at] == CLOSE_BRACE:
            at = skip_space(data, at + 1)
            return at if data[at] == LF else UNKNOWN
        if data[at] != COMMA:
            return UNKNOWN
        at = skip_space(data, at + 1)


@inlined
def _text(data: Items, fields: Items, field: int, texts: Items) -> tuple[Items, int, int]:
    """Where the text of a field is, and its start and end there; UNKNOWN where it is no text."""
    kind, start, end = fields[3 * field], fields[3 * field + 1], fields[3 * field + 2]
    if kind == ESCAPED:
        room = field * _ROOM
        return texts, room, unescape(data, start, texts, room, _MOST_TEXT)
    return data, start, end if kind == TEXT else UNKNOWN


@inlined
def _judge(
    data: Items,
    number: int,
    environment: Items,
    size: int,
    fields: Items,
    texts: Items,
    views: Views,
) -> int:
    """What the line of these fields is; a counted one is added to the views, if there is room."""
    ts, ts_start, ts_end = _text(data, fields, TS, texts)
    url, url_start, url_end = _text(data, fields, URL, texts)
    its, its_start, its_end = _text(data, fields, ENVIRONMENT, texts)
    if ts_end == UNKNOWN or url_end == UNKNOWN or its_end == UNKNOWN:
        return UNSURE
    if url_start == url_end or url_end - url_start > MOST_URL_BYTES:
        return UNSURE
    viewed = instant(ts, ts_start, ts_end)
    if viewed == UNKNOWN:
        return UNSURE
    kind, start, end = fields[9], fields[10], fields[11]
    visitor = kind == ABSENT or kind == NULL or (kind == TEXT and start == end)
    user = 0
    if not visitor:
        if kind != TEXT and kind != NUMBER:
            return UNSURE
        sure, user = integer(data, start, end)
        if not sure:
            return UNSURE
    if not equal(its, its_start, its_end, environment, size):
        return OTHER_ENVIRONMENT
    if visitor:
        return ANONYMOUS
    return add_view(views, number, viewed, user, url, url_start, url_end)


@compiled
def scan_page_views(
    data: NDArray[np.uint8],
    at: int,
    line: int,
    all_utf8: bool,
    number: int,
    environment: NDArray[np.uint8],
    views: Views,
    tally: NDArray[np.int64],
    unsure: Matrix,
    fields: NDArray[np.int64],
    layout: NDArray[np.int64],
    texts: NDArray[np.uint8],
) -> tuple[int, int, int]:
    """Judge whole lines until their end, or until the views or the unsure lines are full.

    Args:
        data: Lines, the last one ended too.
        at: Where the next line starts.
        line: Its number.
        all_utf8: Whether the lines are known to be UTF-8; else each is looked through.
        number: Of the object.
        environment: The records to count.
        views: Takes the counted page views.
        tally: Takes how many lines were found to be what.
        unsure: Takes number, start and end of each line left over, a row each.
        fields: Room for `FIELDS` numbers.
        layout: Room for `LAYOUT` numbers.
        texts: Room for `TEXTS` bytes.

    Returns:
        Where the next line starts, its number, and how many lines are left over.
    """
    lines, wanted = pointer(data), pointer(environment)
    places, known, room = pointer(fields), pointer(layout), pointer(texts)
    rows = pointers(views)
    left = 0
    forget(known)
    while at < data.size and left < unsure.shape[0]:
        start = skip_space(lines, at)
        found, end = UNSURE, UNKNOWN
        if lines[start] == LF:
            found, end = BLANK, start
        elif lines[start] == OPEN_BRACE and (all_utf8 or is_utf8(lines, start)):
            found, end = judge_alike(
                lines, start, data.size, known, number, wanted, environment.size, rows
            )
            if end == UNKNOWN:
                end = _read_members(lines, start, places, room)
                if end != UNKNOWN:
                    found = _judge(lines, number, wanted, environment.size, places, room, rows)
                if found == COUNTED or found == OTHER_ENVIRONMENT:
                    remember(known, places, start, end)
        if found == FULL:
            break
        if end == UNKNOWN:
            end = line_end(lines, start)
        tally[found] += 1
        if found == UNSURE:
            unsure[left, 0], unsure[left, 1], unsure[left, 2] = line, at, end
            left += 1
        at, line = end + 1, line + 1
    return at, line, left
