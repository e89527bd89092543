"""Summarise: the events of all wanted objects in, one row per (user_id, url) out."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

import duckdb
import numpy as np
from numpy.typing import NDArray

from flows.logs.count_views import Counter
from flows.logs.counted_rows import CountedRows
from flows.logs.duck import duck, rows, sql, write
from flows.logs.duck_settings import DuckSettings
from flows.logs.partitions import PART_VIEWS, UNWANTED, Partitions
from flows.logs.spans import Span, alone
from flows.logs.urls import load_places
from flows.stopping import check_stop, interrupted_by_stop

_CHUNK_ROWS = 2**20
_FILES_AT_ONCE = 100
_SAMPLE_ROWS = 50_000
_UPDATES_AT_ONCE = 1_000_000
_VIEWS = "SELECT object, instant, user_id, url FROM read_parquet($path)"
# Rows by their number take half as long again.
_CHUNK = (
    "SELECT object, instant, user_id, url FROM read_parquet($path, file_row_number = true)"
    " WHERE file_row_number >= $first AND file_row_number < $last"
)

Take = Callable[[dict[str, NDArray[np.int64]]], None]
"""Takes rows as they are counted."""
Counting = Callable[[Path, Path], Take | None]
"""Told of the files of URLs and of latest updates before the rows that need them are counted."""


@dataclass(frozen=True)
class Events:
    """The files of one extract, and which of its objects do not count.

    Attributes:
        path: Its events.
        urls: The URLs that events of page views point to, where the events' metadata do not hold
            them.
        spans: Those of the objects' events, which are distinct within each object alone.
        unwanted: The numbers of objects that do not count.
    """

    path: Path
    urls: Path | None
    spans: Sequence[Span | None]
    unwanted: tuple[int, ...] = ()


@dataclass(frozen=True)
class Summarised:
    """What a run publishes.

    Attributes:
        table: Parquet file of user_id, url (a number), count and last_viewed, sorted by user_id
            and url.
        urls: Parquet file of the URLs (number, url), in the order of code points.
        latest: Parquet file of each user's latest update (user_id, instant, email, name).
        rows, page_views, user_updates: How many rows, and the distinct records they stand for.
    """

    table: Path
    urls: Path
    latest: Path
    rows: int
    page_views: int
    user_updates: int


def summarise(
    events: Mapping[str, list[Events]],
    scratch: Path,
    settings: DuckSettings,
    counting: Counting | None = None,
) -> Summarised:
    """Count distinct page views by (user_id, url), and give each user the latest email.

    Args:
        events: The extracts of each kind of log.
        scratch: A folder for the result.
        settings: DuckDB's limits.
        counting: Called before the counting with the files `urls` and `latest`; what it gives is
            called with the rows (user_id, url, count, last_viewed in microseconds), some at a time
            in their order.
    """
    views, context = events["page_views"], copy_context()
    with duck(settings) as connection, ThreadPoolExecutor(1) as pool:
        # A query of one thread, beside those that leave a core idle now and then.
        bounds = pool.submit(context.run, _bounds, connection.cursor(), views)
        _load_emails(connection, events["user_updates"])
        load_places(connection, [(part.path, part.urls) for part in views])
        files = {
            name: write(connection, sql(name), scratch / f"{name}.parquet")
            for name in ("numbered_urls", "latest")
        }
        take = None if counting is None else counting(files["numbered_urls"], files["latest"])
        counted = CountedRows(connection, scratch)
        found = _counted(connection, views, bounds.result(), scratch, settings.threads)
        with closing(found) as parts:
            for some in parts:
                counted.add(some)
                if take is not None and some["user_id"].size:
                    take(some)
        files["table"] = counted.write(scratch / "table.parquet")
        updates = connection.execute("SELECT coalesce(sum(updates), 0)::BIGINT FROM emails")
        [total] = updates.fetchall()
    return Summarised(
        files["table"],
        files["numbered_urls"],
        files["latest"],
        counted.rows,
        counted.page_views,
        *total,
    )


def _load_emails(connection: duckdb.DuckDBPyConnection, parts: list[Events]) -> None:
    """Make the table `emails`: each user's latest update, and how many distinct ones there are."""
    pairs = [(number, one) for number, part in enumerate(parts) for one in part.unwanted]
    select, parameters = rows({"file": "INTEGER", "object": "INTEGER"}, pairs)
    connection.execute(f"CREATE TEMP TABLE unwanted AS {select}", parameters)
    connection.execute(
        "CREATE TEMP TABLE emails (user_id BIGINT,"
        " latest STRUCT(instant TIMESTAMP, email VARCHAR, name VARCHAR), updates BIGINT)"
    )
    events = [str(part.path) for part in parts]
    query = "SELECT count(*) FROM read_parquet($events)"
    [(updates,)] = connection.execute(query, {"events": events}).fetchall()
    # So few users at a time that all their updates can be told apart in memory.
    of = 1 + updates // _UPDATES_AT_ONCE
    for part in range(of):
        connection.execute(sql("emails"), {"events": events, "part": part, "parts": of})


def _counted(
    connection: duckdb.DuckDBPyConnection,
    parts: list[Events],
    bounds: NDArray[np.int64],
    scratch: Path,
    threads: int,
) -> Generator[dict[str, NDArray[np.int64]], None, None]:
    """The rows of user_page_views, some at a time."""
    with Partitions(scratch / "views", bounds) as partitions, ThreadPoolExecutor(threads) as pool:
        # The pool's threads know nothing of this one's context.
        context = copy_context()
        jobs = _jobs(connection, parts)
        for _ in pool.map(
            lambda job: context.copy().run(_part, connection.cursor(), partitions, *job), jobs
        ):
            pass

        counters = SimpleQueue[Counter]()
        for _ in range(threads):
            counters.put(Counter())

        def counted(part: int) -> dict[str, NDArray[np.int64]]:
            context.copy().run(check_stop)
            counter = counters.get()
            try:
                return counter.count(partitions.read(part), partitions.size(part))
            finally:
                counters.put(counter)

        # A few parts ahead of what is taken, no more: results wait in memory.
        numbers = iter(range(partitions.parts))
        waiting = [pool.submit(counted, part) for part in islice(numbers, 2 * threads)]
        while waiting:
            found = waiting.pop(0).result()
            waiting += [pool.submit(counted, part) for part in islice(numbers, 1)]
            yield found


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


def _bounds(connection: duckdb.DuckDBPyConnection, parts: Sequence[Events]) -> NDArray[np.int64]:
    """The first user of each part but the first, so that parts are about equal.

    The connection is interrupted by itself: what interrupts another one of the same database does
    not reach it.
    """
    events = {"events": [str(part.path) for part in parts]}
    with interrupted_by_stop(connection.interrupt):
        total = connection.execute("SELECT count(*) FROM read_parquet($events)", events).fetchone()
        assert total is not None
        wanted = total[0] // PART_VIEWS
        if wanted == 0:
            return np.empty(0, np.int64)
        users = connection.execute(
            "SELECT user_id FROM read_parquet($events)"
            f" USING SAMPLE reservoir({_SAMPLE_ROWS} ROWS) REPEATABLE (1)",
            events,
        ).fetchnumpy()["user_id"]
    users.sort()
    return np.unique(users[np.arange(1, wanted + 1) * len(users) // (wanted + 1)])
