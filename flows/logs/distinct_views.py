"""Page views, each once, in arrays that compiled code fills: hash tables with open addressing."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.logs.hashing import mixed
from flows.logs.scan_bytes import hash_of_bytes, same_bytes
from flows.logs.verdicts import COUNTED, DUPLICATE, FULL
from flows.machine_code.functions import Items, compiled, inlined
from flows.machine_code.primitives import pointer

MOST_VIEWS = 2**20
MOST_URLS = 2**17
MOST_URL_POOL = 16 * 2**20

# Slots of page views of half a second lie together, and behind those of the half before, because
# logs are nearly in the order of time: so most lookups find their slot in the processor's cache.
_TOGETHER, _HALF_SECOND_BITS = 16, 19


class Views(NamedTuple):
    """Distinct page views, a row each, and the distinct URLs that their rows point to.

    A slot holds a row's number plus one; 0 is an empty slot. URL number n is
    `url_bytes[url_starts[n] : url_starts[n + 1] - 1]`, with U+0000 behind it.
    `used`: rows, rows before the current object, URLs.
    """

    objects: NDArray[np.int32]
    instants: NDArray[np.int64]
    users: NDArray[np.int64]
    urls: NDArray[np.int32]
    slots: NDArray[np.int32]
    url_bytes: NDArray[np.uint8]
    url_starts: NDArray[np.int32]
    url_slots: NDArray[np.int32]
    used: NDArray[np.int64]


def no_views() -> Views:
    """Room for page views; memory is taken as it fills."""
    return Views(
        objects=np.empty(MOST_VIEWS, np.int32),
        instants=np.empty(MOST_VIEWS, np.int64),
        users=np.empty(MOST_VIEWS, np.int64),
        urls=np.empty(MOST_VIEWS, np.int32),
        slots=np.zeros(2 * MOST_VIEWS, np.int32),
        url_bytes=np.empty(MOST_URL_POOL, np.uint8),
        url_starts=np.zeros(MOST_URLS + 1, np.int32),
        url_slots=np.zeros(2 * MOST_URLS, np.int32),
        used=np.zeros(3, np.int64),
    )


def empty(views: Views) -> None:
    """Make room again."""
    views.slots.fill(0)
    views.url_slots.fill(0)
    views.used.fill(0)


@inlined
def pointers(views: Views) -> Views:
    """The same, for compiled code."""
    return Views(
        pointer(views.objects),
        pointer(views.instants),
        pointer(views.users),
        pointer(views.urls),
        pointer(views.slots),
        pointer(views.url_bytes),
        pointer(views.url_starts),
        pointer(views.url_slots),
        pointer(views.used),
    )


@inlined
def _url_number(views: Views, data: Items, start: int, end: int) -> int:
    """The number of a URL, known or new; FULL where there is no room for it."""
    mask = 2 * MOST_URLS - 1
    slot = np.int64(hash_of_bytes(data, start, end) & np.uint64(mask))
    while views.url_slots[slot] != 0:
        number: int = views.url_slots[slot] - 1
        known = views.url_starts[number]
        size = views.url_starts[number + 1] - known - 1
        if size == end - start and same_bytes(views.url_bytes, known, data, start, size):
            return number
        slot = (slot + 1) & mask
    number = int(views.used[2])
    place = views.url_starts[number]
    if number == MOST_URLS or place + end - start + 1 > MOST_URL_POOL:
        return FULL
    for offset in range(end - start):
        views.url_bytes[place + offset] = data[start + offset]
    views.url_bytes[place + end - start] = 0
    views.url_starts[number + 1] = place + end - start + 1
    views.url_slots[slot] = number + 1
    views.used[2] = number + 1
    return number


@inlined
def add_view(
    views: Views, number: int, instant: int, user: int, data: Items, start: int, end: int
) -> int:
    """Add a page view of the current object: COUNTED, DUPLICATE or FULL."""
    row = views.used[0]
    if row == MOST_VIEWS:
        return FULL
    url = _url_number(views, data, start, end)
    if url == FULL:
        return FULL
    mask = 2 * MOST_VIEWS - 1
    near = ((instant >> _HALF_SECOND_BITS) * _TOGETHER) & mask
    own = mixed(np.uint64(user) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(url))
    slot = near | np.int64(own & np.uint64(_TOGETHER - 1))
    step = np.int64(own >> np.uint64(33)) | 1
    tried = 0
    # A row of an earlier object stands for an empty slot.
    while views.slots[slot] > views.used[1]:
        known = views.slots[slot] - 1
        # The user first: most rows here are of one instant.
        same_user = views.users[known] == user
        if same_user and views.urls[known] == url and views.instants[known] == instant:
            return DUPLICATE
        tried += 1
        if tried < _TOGETHER:
            slot = near | ((slot + 1) & (_TOGETHER - 1))
        else:
            slot = (slot + step) & mask
    views.slots[slot] = row + 1
    views.objects[row], views.urls[row] = number, url
    views.instants[row], views.users[row] = instant, user
    views.used[0] = row + 1
    return COUNTED


@compiled
def add_judged(views: Views, number: int, instant: int, user: int, url: NDArray[np.uint8]) -> int:
    """As `add_view`, for a page view that the reference reader has accepted."""
    return add_view(pointers(views), number, instant, user, pointer(url), 0, url.size)
