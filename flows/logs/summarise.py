"""Summarise: the events of all wanted objects in, one row per (user_id, url) out."""

from collections.abc import Callable, Generator, Mapping
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

from flows.logs.bounds import find_bounds
from flows.logs.count_views import Counter
from flows.logs.counted_rows import CountedRows
from flows.logs.duck import duck, sql, write
from flows.logs.duck_settings import DuckSettings
from flows.logs.emails import load_emails
from flows.logs.events_file import Events
from flows.logs.parting import part_views
from flows.logs.partitions import Partitions
from flows.logs.urls import load_places
from flows.stopping import check_stop

Take = Callable[[dict[str, NDArray[np.int64]]], None]
"""Takes rows as they are counted."""
Counting = Callable[[Path, Path], Take | None]
"""Told of the files of URLs and of latest updates before the rows that need them are counted."""


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
        paths = [part.path for part in views]
        bounds = pool.submit(context.run, find_bounds, connection.cursor(), paths)
        load_emails(connection, [(part.path, part.unwanted) for part in events["user_updates"]])
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


def _counted(
    connection: duckdb.DuckDBPyConnection,
    parts: list[Events],
    bounds: NDArray[np.int64],
    scratch: Path,
    threads: int,
) -> Generator[dict[str, NDArray[np.int64]], None, None]:
    """The rows of user_page_views, some at a time."""
    with Partitions(scratch / "views", bounds) as partitions, ThreadPoolExecutor(threads) as pool:
        part_views(connection, partitions, parts, pool)
        # The pool's threads know nothing of this one's context.
        context, counters = copy_context(), SimpleQueue[Counter]()
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
