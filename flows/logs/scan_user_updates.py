"""Lines of UserUpdates/, each a CSV record of its own, judged by compiled code.

The ones it is not sure of are left over.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.logs.scan_values import (
    LF,
    UNKNOWN,
    equal,
    instant,
    integer,
    is_utf8,
    line_end,
)
from flows.logs.verdicts import BLANK, COUNTED, FULL, OTHER_ENVIRONMENT, UNSURE
from flows.machine_code.functions import Items, Matrix, compiled, inlined
from flows.machine_code.primitives import pointer

MOST_UPDATES = 2**17
MOST_TEXT = 16 * 2**20

_QUOTE, _COMMA, _CR, _SPACE, _TAB, _NUL = b'",\r \t\0'
FIELDS = 11
_FIELDS = 5
_EMAIL, _NAME = 2, 3


class Updates(NamedTuple):
    """Counted user updates, a row each.

    `text` holds each one's email and name, with U+0000 behind either; `used`: rows, bytes of text.
    """

    objects: NDArray[np.int32]
    instants: NDArray[np.int64]
    users: NDArray[np.int64]
    text: NDArray[np.uint8]
    used: NDArray[np.int64]


def no_updates() -> Updates:
    """Room for user updates; memory is taken as it fills."""
    return Updates(
        objects=np.empty(MOST_UPDATES, np.int32),
        instants=np.empty(MOST_UPDATES, np.int64),
        users=np.empty(MOST_UPDATES, np.int64),
        text=np.empty(MOST_TEXT, np.uint8),
        used=np.zeros(2, np.int64),
    )


@inlined
def _is_blank(data: Items, at: int) -> bool:
    while data[at] == _SPACE or data[at] == _TAB or data[at] == _CR:
        at += 1
    return bool(data[at] == LF)


@inlined
def _ends(data: Items, at: int) -> bool:
    return bool(data[at] == LF or (data[at] == _CR and data[at + 1] == LF))


@inlined
def _read_fields(data: Items, at: int, fields: Items) -> bool:
    """Note start and end of each of five fields; False where the line is not surely five.

    Email and name may hold quotes, each of them twice, as it stands in the line.
    """
    for field in range(_FIELDS):
        if data[at] == _QUOTE:
            at += 1
            fields[2 * field] = at
            while data[at] != _QUOTE or data[at + 1] == _QUOTE:
                if data[at] == LF or data[at] == _NUL:
                    return False
                if data[at] == _QUOTE:
                    if field != _EMAIL and field != _NAME:
                        return False
                    at += 1
                at += 1
            fields[2 * field + 1] = at
            at += 1
        else:
            fields[2 * field] = at
            while data[at] != _COMMA and not _ends(data, at):
                if data[at] == _QUOTE or data[at] == _NUL:
                    return False
                at += 1
            fields[2 * field + 1] = at
        if field + 1 < _FIELDS:
            if data[at] != _COMMA:
                return False
            at += 1
    return _ends(data, at)


@inlined
def _add(data: Items, number: int, at: int, fields: Items, updates: Updates) -> int:
    """Keep a counted user update, if there is room."""
    row, place = updates.used[0], updates.used[1]
    if row == MOST_UPDATES or place + fields[7] - fields[4] + 2 > MOST_TEXT:
        return FULL if row > 0 else UNSURE
    for field in (_EMAIL, _NAME):
        offset = fields[2 * field]
        while offset < fields[2 * field + 1]:
            if data[offset] == _QUOTE:
                offset += 1  # the first of two
            updates.text[place] = data[offset]
            place, offset = place + 1, offset + 1
        updates.text[place] = 0
        place += 1
    updates.objects[row], updates.instants[row], updates.users[row] = number, at, fields[10]
    updates.used[0], updates.used[1] = row + 1, place
    return COUNTED


@inlined
def _judge(
    data: Items,
    at: int,
    number: int,
    environment: Items,
    size: int,
    fields: Items,
    updates: Updates,
) -> int:
    """What the line is that starts here; a counted one is kept, if there is room."""
    if not _read_fields(data, at, fields):
        return UNSURE
    updated = instant(data, fields[0], fields[1])
    sure, user = integer(data, fields[2], fields[3])
    if updated == UNKNOWN or not sure:
        return UNSURE
    if not equal(data, fields[8], fields[9], environment, size):
        return OTHER_ENVIRONMENT
    fields[10] = user
    return _add(data, number, updated, fields, updates)


@compiled
def scan_user_updates(
    data: NDArray[np.uint8],
    at: int,
    line: int,
    all_utf8: bool,
    number: int,
    environment: NDArray[np.uint8],
    updates: Updates,
    tally: NDArray[np.int64],
    unsure: Matrix,
    fields: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Judge lines until their end, or until the updates or the unsure lines are full.

    Arguments and results as those of `scan_page_views`; `updates` takes the counted records.
    """
    lines, wanted, places = pointer(data), pointer(environment), pointer(fields)
    rows = Updates(
        pointer(updates.objects),
        pointer(updates.instants),
        pointer(updates.users),
        pointer(updates.text),
        pointer(updates.used),
    )
    left = 0
    while at < data.size and left < unsure.shape[0]:
        if _is_blank(lines, at):
            found = BLANK
        elif not (all_utf8 or is_utf8(lines, at)):
            found = UNSURE
        else:
            found = _judge(lines, at, number, wanted, environment.size, places, rows)
        if found == FULL:
            break
        end = line_end(lines, at)
        tally[found] += 1
        if found == UNSURE:
            unsure[left, 0], unsure[left, 1], unsure[left, 2] = line, at, end
            left += 1
        at, line = end + 1, line + 1
    return at, line, left
