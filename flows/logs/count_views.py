"""Distinct page views counted by user and URL, by compiled code, in tables with open addressing."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.logs.hashing import mixed
from flows.machine_code.functions import Matrix, compiled, inlined
from flows.machine_code.primitives import pointer


class _Counted(NamedTuple):
    """Rows of (user, URL), and page views that may come twice; a slot holds a row plus one.

    `used`: rows, page views that may come twice.
    """

    users: NDArray[np.int64]
    urls: NDArray[np.int64]
    counts: NDArray[np.int64]
    lasts: NDArray[np.int64]
    slots: NDArray[np.int32]
    twice: NDArray[np.int64]
    twice_slots: NDArray[np.int32]
    used: NDArray[np.int64]


@inlined
def _is_new(counted: _Counted, user: int, url: int, instant: int, mask: int) -> bool:
    """Whether a page view that may come twice comes for the first time."""
    hashed = mixed(np.uint64(user) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(url))
    slot = np.int64(mixed(hashed ^ np.uint64(instant)) & np.uint64(mask))
    while counted.twice_slots[slot] != 0:
        at = 3 * (counted.twice_slots[slot] - 1)
        if (
            counted.twice[at] == user
            and counted.twice[at + 1] == url
            and counted.twice[at + 2] == instant
        ):
            return False
        slot = (slot + 1) & mask
    number = counted.used[1]
    counted.twice[3 * number] = user
    counted.twice[3 * number + 1] = url
    counted.twice[3 * number + 2] = instant
    counted.twice_slots[slot] = number + 1
    counted.used[1] = number + 1
    return True


@compiled
def _add(views: Matrix, counted: _Counted) -> None:
    """Count page views: user, URL (-1 - URL: it may come twice), instant, a row each."""
    into = _Counted(
        pointer(counted.users),
        pointer(counted.urls),
        pointer(counted.counts),
        pointer(counted.lasts),
        pointer(counted.slots),
        pointer(counted.twice),
        pointer(counted.twice_slots),
        pointer(counted.used),
    )
    mask, twice_mask = counted.slots.size - 1, counted.twice_slots.size - 1
    rows = pointer(views)
    for number in range(views.shape[0]):
        user, url, instant = rows[3 * number], rows[3 * number + 1], rows[3 * number + 2]
        if url < 0:
            url = -1 - url
            if not _is_new(into, user, url, instant, twice_mask):
                continue
        hashed = mixed(np.uint64(user) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(url))
        slot = np.int64(hashed & np.uint64(mask))
        while True:
            row = into.slots[slot] - 1
            if row < 0:
                row = into.used[0]
                into.used[0] = row + 1
                into.slots[slot] = row + 1
                into.users[row], into.urls[row] = user, url
                into.counts[row], into.lasts[row] = 1, instant
                break
            if into.users[row] == user and into.urls[row] == url:
                into.counts[row] += 1
                into.lasts[row] = max(into.lasts[row], instant)
                break
            slot = (slot + 1) & mask


def _room(views: int) -> _Counted:
    slots = 1 << max(4, (2 * views - 1).bit_length())
    return _Counted(
        users=np.empty(views, np.int64),
        urls=np.empty(views, np.int64),
        counts=np.empty(views, np.int64),
        lasts=np.empty(views, np.int64),
        slots=np.zeros(slots, np.int32),
        twice=np.empty(3 * views, np.int64),
        twice_slots=np.zeros(slots, np.int32),
        used=np.zeros(2, np.int64),
    )


def _order(users: NDArray[np.int64], urls: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of rows by user, then URL."""
    first = int(users.min(initial=2**63 - 1))
    if int(users.max(initial=-(2**63))) - first < 2**31:
        # One number to sort by takes half the time. A URL's number has 31 bits.
        return np.argsort((users - first) << 32 | urls)
    return np.lexsort((urls, users))


class Counter:
    """Counts distinct page views; its memory is used again from count to count."""

    def __init__(self) -> None:
        self._counted = _room(0)

    def count(self, parts: Iterable[NDArray[np.int64]], most: int) -> dict[str, NDArray[np.int64]]:
        """Count page views.

        Args:
            parts: User, URL (-1 - URL: another object may hold the same), instant, a row each.
            most: How many page views there are.

        Returns:
            user_id, url, count and last_viewed (microseconds), a row for each user and URL, sorted
            by both.
        """
        counted = self._counted
        if counted.users.size < most:
            self._counted = counted = _room(most)
        else:
            counted.slots.fill(0)
            counted.twice_slots.fill(0)
            counted.used.fill(0)
        for views in parts:
            _add(views, counted)
        rows = int(counted.used[0])
        order = _order(counted.users[:rows], counted.urls[:rows])
        return {
            "user_id": counted.users[order],
            "url": counted.urls[order],
            "count": counted.counts[order],
            "last_viewed": counted.lasts[order],
        }
