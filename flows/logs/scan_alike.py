"""Page views written like one before: their values are read in their places, by compiled code.

What writes logs writes each line alike. So of a line only the four values are walked, and what
stands between them is compared with that line's. A line that differs anywhere else is not judged
here; nor is one that is not surely valid.
"""

from flows.logs.distinct_views import Views, add_view
from flows.logs.records import MOST_URL_BYTES
from flows.logs.scan_bytes import plain_end, same_bytes
from flows.logs.scan_json import NUMBER, TEXT
from flows.logs.scan_values import MINUS, NINE, UNKNOWN, ZERO, instant, integer
from flows.logs.verdicts import OTHER_ENVIRONMENT, UNSURE
from flows.machine_code.functions import Items, inlined

TS, URL, ENVIRONMENT, USER_ID = range(4)
"""The values; of each, `fields` holds kind, start and end."""
_VALUES_END = 15
_LAST = _VALUES_END
LAYOUT = _LAST + 3
"""The numbers of a layout: the line's start, its last byte, the kind of its user; of each of the
four values, in their order in the line: which it is, its start and end; and of the timestamp read
last: its start and end, and its instant."""


@inlined
def forget(layout: Items) -> None:
    """There is no line to compare with."""
    layout[0] = UNKNOWN
    layout[_LAST], layout[_LAST + 1] = 0, UNKNOWN


@inlined
def remember(layout: Items, fields: Items, start: int, end: int) -> None:
    """Compare lines with this one from now on, unless its user is neither number nor text.

    Args:
        layout: To be filled.
        fields: Of the line, which is valid.
        start, end: Its first and its last byte.
    """
    user = fields[3 * USER_ID]
    if user != NUMBER and user != TEXT:
        return
    layout[0], layout[1], layout[2] = start, end, user
    for value in range(4):
        place = 3
        for other in range(4):
            if fields[3 * other + 1] < fields[3 * value + 1]:
                place += 3
        layout[place] = value
        layout[place + 1], layout[place + 2] = fields[3 * value + 1], fields[3 * value + 2]


@inlined
def _user_end(data: Items, at: int, kind: int) -> int:
    """The place behind an integer; UNKNOWN where it is not one of JSON's and should be."""
    if data[at] == MINUS:
        at += 1
    start = at
    while ZERO <= data[at] <= NINE:
        at += 1
    return UNKNOWN if kind == NUMBER and data[start] == ZERO and at > start + 1 else at


@inlined
def _instant(data: Items, start: int, end: int, layout: Items) -> int:
    """As `instant`; that of the line before, where it is written with the same bytes."""
    last, size = layout[_LAST], end - start
    if layout[_LAST + 1] - last == size and same_bytes(data, start, data, last, size):
        found: int = layout[_LAST + 2]
        return found
    found = instant(data, start, end)
    layout[_LAST], layout[_LAST + 1], layout[_LAST + 2] = start, end, found
    return found


@inlined
def judge_alike(
    data: Items,
    start: int,
    size: int,
    layout: Items,
    number: int,
    environment: Items,
    environment_size: int,
    views: Views,
) -> tuple[int, int]:
    """Judge the line that starts here, if it is like the one remembered.

    Returns:
        OTHER_ENVIRONMENT, COUNTED, DUPLICATE or FULL and the line's last byte; or UNSURE, UNKNOWN.
    """
    known = layout[0]
    if known == UNKNOWN:
        return UNSURE, UNKNOWN
    at, mine = start, False
    ts = ts_end = url = url_end = user = user_end = 0
    for place in range(3, _VALUES_END, 3):
        between = layout[place + 1] - known
        if at + between > size or not same_bytes(data, at, data, known, between):
            return UNSURE, UNKNOWN
        at += between
        begin, known = at, layout[place + 2]
        if layout[place] == TS:
            # Were it longer or shorter, what follows would not be the same.
            at += known - layout[place + 1]
            ts, ts_end = begin, at
        elif layout[place] == USER_ID:
            at = _user_end(data, at, layout[2])
            if at == UNKNOWN:
                return UNSURE, UNKNOWN
            user, user_end = begin, at
        else:
            # What ends it is compared next, with the quote of the line remembered.
            at = plain_end(data, at, size)
            if layout[place] == URL:
                url, url_end = begin, at
            else:
                mine = at - begin == environment_size and same_bytes(
                    data, begin, environment, 0, environment_size
                )
    between = layout[1] + 1 - known
    if at + between > size or not same_bytes(data, at, data, known, between):
        return UNSURE, UNKNOWN
    viewed = _instant(data, ts, ts_end, layout)
    sure, user_id = integer(data, user, user_end)
    if viewed == UNKNOWN or not sure or url == url_end or url_end - url > MOST_URL_BYTES:
        return UNSURE, UNKNOWN
    end = at + between - 1
    if not mine:
        return OTHER_ENVIRONMENT, end
    return add_view(views, number, viewed, user_id, data, url, url_end), end
