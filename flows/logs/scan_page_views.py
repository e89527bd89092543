"""Lines of PageViews/, judged by compiled code; the ones it is not sure of are left over."""

import numpy as np
from numpy.typing import NDArray

from flows.logs.distinct_views import Views, add_view, pointers
from flows.logs.records import MOST_URL_BYTES
from flows.logs.scan_alike import forget, judge_alike, remember
from flows.logs.scan_json import (
    ABSENT,
    CLOSE_BRACE,
    COMMA,
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
    holds_others,
    instant,
    integer,
    line_end,
    starts,
)
from flows.logs.verdicts import ANONYMOUS, BLANK, COUNTED, FULL, OTHER_ENVIRONMENT, UNSURE
from flows.machine_code.functions import Items, Matrix, compiled, inlined
from flows.machine_code.primitives import pointer

FIELDS = 12
_TS, _URL, _ENVIRONMENT, _USER_ID = map(tuple, (b"ts", b"url", b"environment", b"user_id"))


@inlined
def _read_members(data: Items, at: int, fields: Items) -> int:
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
        if end == UNKNOWN or escaped:
            return UNKNOWN
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
        field = -1
        if end - name == 2 and starts(data, name, _TS):
            field = 0
        elif end - name == 3 and starts(data, name, _URL):
            field = 1
        elif end - name == 11 and starts(data, name, _ENVIRONMENT):
            field = 2
        elif end - name == 7 and starts(data, name, _USER_ID):
            field = 3
        if field >= 0:
            quotes = 1 if kind == TEXT else 0
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
def _judge(
    data: Items,
    number: int,
    environment: Items,
    size: int,
    fields: Items,
    views: Views,
) -> int:
    """What the line of these fields is; a counted one is added to the views, if there is room."""
    if fields[0] != TEXT or fields[3] != TEXT or fields[6] != TEXT:
        return UNSURE
    url, url_end = fields[4], fields[5]
    if url == url_end or url_end - url > MOST_URL_BYTES:
        return UNSURE
    viewed = instant(data, fields[1], fields[2])
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
    if not equal(data, fields[7], fields[8], environment, size):
        return OTHER_ENVIRONMENT
    if visitor:
        return ANONYMOUS
    return add_view(views, number, viewed, user, data, url, url_end)


@compiled
def scan_page_views(
    data: NDArray[np.uint8],
    at: int,
    line: int,
    ascii_only: bool,
    number: int,
    environment: NDArray[np.uint8],
    views: Views,
    tally: NDArray[np.int64],
    unsure: Matrix,
    fields: NDArray[np.int64],
    layout: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Judge whole lines until their end, or until the views or the unsure lines are full.

    Args:
        data: Lines, the last one ended too.
        at: Where the next line starts.
        line: Its number.
        ascii_only: Leave lines with other bytes over: they are not known to be UTF-8.
        number: Of the object.
        environment: The records to count.
        views: Takes the counted page views.
        tally: Takes how many lines were found to be what.
        unsure: Takes number, start and end of each line left over, a row each.
        fields: Room for `FIELDS` numbers.
        layout: Room for `LAYOUT` numbers.

    Returns:
        Where the next line starts, its number, and how many lines are left over.
    """
    lines, wanted = pointer(data), pointer(environment)
    places, known = pointer(fields), pointer(layout)
    rows = pointers(views)
    left = 0
    forget(known)
    while at < data.size and left < unsure.shape[0]:
        start = skip_space(lines, at)
        found, end = UNSURE, UNKNOWN
        if lines[start] == LF:
            found, end = BLANK, start
        elif lines[start] == OPEN_BRACE and not (ascii_only and holds_others(lines, start)):
            found, end = judge_alike(
                lines, start, data.size, known, number, wanted, environment.size, rows
            )
            if end == UNKNOWN:
                end = _read_members(lines, start, places)
                if end != UNKNOWN:
                    found = _judge(lines, number, wanted, environment.size, places, rows)
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
