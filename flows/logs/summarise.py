"""Summarise: the events of all wanted objects in, one row per (user_id, url) out."""

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from flows.logs.bounds import find_bounds
from flows.logs.count_views import Counter
from flows.logs.counted_rows import CountedRows
from flows.logs.duck import duck, sql, write
from flows.logs.duck_settings import DuckSettings
from flows.logs.emails import write_latest
from flows.logs.events_file import Events
from flows.logs.parting import part_views
from flows.logs.partitions import Partitions
from flows.logs.urls import load_places
from flows.stopping import check_stop

T = TypeVar("T")
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
    views, latest = events["page_views"], scratch / "latest.parquet"
    updates = [(part.path, part.unwanted) for part in events["user_updates"]]
    context = copy_context()
    with duck(settings) as connection, ThreadPoolExecutor(2) as pool:

        def beside(work: Callable[..., T], *arguments: object) -> Future[T]:
            # The pool's threads know nothing of this one's context.
            return pool.submit(context.copy().run, work, connection.cursor(), *arguments)

        # Each of these alone leaves a core idle now and then.
        bounds = beside(find_bounds, [part.path for part in views])
        total = beside(write_latest, updates, latest)
        load_places(connection, [(part.path, part.urls) for part in views])
        urls = write(connection, sql("numbered_urls"), scratch / "numbered_urls.parquet")
        counted = CountedRows(connection, scratch)
        with (
            Partitions(scratch / "views", bounds.result()) as partitions,
            # Ends before the partitions' file is closed.
            ThreadPoolExecutor(settings.threads) as workers,
        ):
            part_views(connection, partitions, views, workers)
            user_updates = total.result()
            take = None if counting is None else counting(urls, latest)
            with closing(_counted(partitions, workers, settings.threads)) as parts:
                for some in parts:
                    counted.add(some)
                    if take is not None and some["user_id"].size:
                        take(some)
        table = counted.write(scratch / "table.parquet")
    return Summarised(table, urls, latest, counted.rows, counted.page_views, user_updates)


def _counted(
    partitions: Partitions, pool: ThreadPoolExecutor, threads: int
) -> Generator[dict[str, NDArray[np.int64]], None, None]:
    """The rows of user_page_views, some at a time."""
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
