"""The page views of extracts, brought into the parts in which they are counted."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from flows.logs.events_file import Events
from flows.logs.partitions import UNWANTED, Partitions
from flows.logs.spans import alone
from flows.stopping import check_stop

_CHUNK_ROWS = 2**20
_FILES_AT_ONCE = 100
_VIEWS = "SELECT object, instant, user_id, url FROM read_parquet($path)"
# Rows by their number take half as long again.
_CHUNK = (
    "SELECT object, instant, user_id, url FROM read_parquet($path, file_row_number = true)"
    " WHERE file_row_number >= $first AND file_row_number < $last"
)


def part_views(
    connection: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    parts: Sequence[Events],
    pool: ThreadPoolExecutor,
) -> None:
    """Add all wanted page views to the partitions.

    Args:
        connection: Knows the tables of `load_places`, for the same extracts.
        partitions: Takes the page views.
        parts: The extracts.
        pool: Whose threads do the work.
    """
    # The pool's threads know nothing of this one's context.
    context = copy_context()
    for _ in pool.map(
        lambda job: context.copy().run(_part, connection.cursor(), partitions, *job),
        _jobs(connection, parts),
    ):
        pass


@dataclass(frozen=True)
class _Extract:
    """What is known of an extract's file when its page views are parted."""

    path: Path
    rows: int
    urls: NDArray[np.int32]
    apart: NDArray[np.int64]


def _jobs(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Events]
) -> Iterator[tuple[_Extract, int]]:
    """The extracts, with the first row of each chunk."""
    apart = _apart(parts)
    counts = dict(
        connection.execute(
            "SELECT file_index, count(*) FROM read_parquet($events) GROUP BY file_index",
            {"events": [str(part.path) for part in parts]},
        ).fetchall()
    )
    for first in range(0, len(parts), _FILES_AT_ONCE):
        last = min(len(parts), first + _FILES_AT_ONCE)
        found = connection.execute(
            "SELECT file, url FROM places WHERE file >= $first AND file < $last"
            " ORDER BY file, place",
            {"first": first, "last": last},
        ).fetchnumpy()
        starts = np.searchsorted(found["file"], np.arange(first, last + 1))
        for number in range(first, last):
            start, end = starts[number - first : number - first + 2]
            rows = counts.get(number, 0)
            extract = _Extract(parts[number].path, rows, found["url"][start:end], apart[number])
            for row in range(0, rows, _CHUNK_ROWS):
                yield extract, row


def _apart(parts: Sequence[Events]) -> list[NDArray[np.int64]]:
    """For each object of each extract what `Partitions.add` takes."""
    wanted = {
        (number, place): span
        for number, part in enumerate(parts)
        for place, span in enumerate(part.spans)
        if span is not None and place not in part.unwanted
    }
    apart = dict(zip(wanted, alone(list(wanted.values())), strict=True))
    return [
        np.array(
            [apart.get((number, place), UNWANTED) for place in range(len(part.spans))], np.int64
        )
        for number, part in enumerate(parts)
    ]


def _part(
    connection: duckdb.DuckDBPyConnection, partitions: Partitions, extract: _Extract, first: int
) -> None:
    """Add a chunk of an extract's page views to the partitions."""
    check_stop()
    query, chosen = _VIEWS, dict[str, str | int](path=str(extract.path))
    if extract.rows > _CHUNK_ROWS:
        query, chosen = _CHUNK, chosen | {"first": first, "last": first + _CHUNK_ROWS}
    views = connection.execute(query, chosen).fetchnumpy()
    views["instant"] = views["instant"].view(np.int64)
    partitions.add(views, extract.urls, extract.apart)
