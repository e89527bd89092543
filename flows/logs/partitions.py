"""Page views in a scratch file, parted by ranges of users, each part small enough for a cache.

Counting looks each page view up in a table. One table of all rows is far larger than the cache, so
most of the time goes into waiting for memory; a part's table is small. The parts lie in a file, so
memory does not grow with the logs, but for those of one user, which stay together.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.machine_code.functions import Matrix, compiled
from flows.machine_code.primitives import pointer

PART_VIEWS = 2**18
"""How many page views a part has, about."""

_NEVER = -3
UNWANTED = (_NEVER, _NEVER)
"""Instead of an interval, which starts later: the object does not count."""

_COLUMNS = 3
_READ_VIEWS = 2**20


@compiled
def _parted(
    objects: NDArray[np.int32],
    instants: NDArray[np.int64],
    users: NDArray[np.int64],
    places: NDArray[np.int32],
    urls: NDArray[np.int32],
    apart: Matrix,
    bounds: NDArray[np.int64],
    starts: NDArray[np.int64],
    nexts: NDArray[np.int64],
    part_of: NDArray[np.int32],
    found: Matrix,
) -> int:
    """Order the wanted page views by part; give how many there are.

    Args:
        objects, instants, users, places: A row a page view, as in an extract's file.
        urls: The number of a place's URL.
        apart: For each object, the open interval of time in which no other has page views; or
            `UNWANTED`.
        bounds: The first user of each part but the first, ascending.
        starts: Takes where each part starts, and where the last ends.
        nexts: Room for as many numbers.
        part_of: Takes the part of each page view; -1 where it does not count.
        found: Takes user, URL and instant of each page view; the URL is made negative (-1 - URL)
            where another object may hold the same page view.
    """
    rows, number_of = pointer(users), pointer(urls)
    parts = pointer(part_of)
    for row in range(users.size):
        if apart[objects[row], 0] == _NEVER:
            parts[row] = -1
            continue
        low, high = 0, bounds.size
        while low < high:
            middle = (low + high) >> 1
            if rows[row] < bounds[middle]:
                high = middle
            else:
                low = middle + 1
        parts[row] = low
        starts[low + 1] += 1
    for part in range(1, starts.size):
        starts[part] += starts[part - 1]
    for part in range(starts.size):
        nexts[part] = starts[part]
    for row in range(users.size):
        part = parts[row]
        if part >= 0:
            at = nexts[part]
            nexts[part] = at + 1
            url = number_of[places[row]]
            instant = instants[row]
            found[at, 0] = users[row]
            between = apart[objects[row], 0] < instant and instant < apart[objects[row], 1]
            found[at, 1] = url if between else -1 - url
            found[at, 2] = instant
    return int(starts[-1])


class Partitions:
    """Parts of page views, filled by several threads and then read part by part.

    Args:
        file: The scratch file, which is made.
        bounds: The first user of each part but the first, ascending.
    """

    def __init__(self, file: Path, bounds: NDArray[np.int64]) -> None:
        self._bounds = bounds
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._lock = threading.Lock()
        self._size = 0
        self._places: list[tuple[int, NDArray[np.int64]]] = []

    def __enter__(self) -> "Partitions":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._file)

    @property
    def parts(self) -> int:
        """How many there are."""
        return self._bounds.size + 1

    def add(
        self,
        views: dict[str, NDArray[Any]],
        urls: NDArray[np.int32],
        apart: NDArray[np.int64],
    ) -> None:
        """Add page views of one extract.

        Args:
            views: object, instant (microseconds), user_id and url (a place), a row a page view.
            urls: The number of a place's URL.
            apart: For each of its objects, the open interval of time in which no other object has
                page views (after, before); or `UNWANTED`, where it does not count.
        """
        starts = np.zeros(self.parts + 1, np.int64)
        found = np.empty((views["user_id"].size, _COLUMNS), np.int64)
        count = _parted(
            views["object"],
            views["instant"],
            views["user_id"],
            views["url"],
            urls,
            apart,
            self._bounds,
            starts,
            np.empty_like(starts),
            np.empty(len(found), np.int32),
            found,
        )
        content = found[:count].view(np.uint8).reshape(-1).data
        with self._lock:
            place, self._size = self._size, self._size + len(content)
            self._places.append((place, starts))
        written = 0
        while written < len(content):
            written += os.pwrite(self._file, content[written:], place + written)

    def size(self, part: int) -> int:
        """How many page views a part has."""
        return sum(int(starts[part + 1] - starts[part]) for _, starts in self._places)

    def read(self, part: int) -> Iterator[NDArray[np.int64]]:
        """The page views of a part: user, URL, instant, a row each; some at a time."""
        views = np.empty((min(self.size(part), _READ_VIEWS), _COLUMNS), np.int64)
        filled = 0
        for place, starts in self._places:
            first, last = int(starts[part]), int(starts[part + 1])
            while first < last:
                if filled == len(views):
                    yield views
                    filled = 0
                some = views[filled : filled + last - first]
                self._fill(some, place + first * _COLUMNS * 8)
                first, filled = first + len(some), filled + len(some)
        yield views[:filled]

    def _fill(self, views: NDArray[np.int64], place: int) -> None:
        content = views.view(np.uint8).reshape(-1).data
        while content:
            content = content[
                os.preadv(self._file, [content], place + views.nbytes - len(content)) :
            ]
