"""Full load: the rows of user_page_views from all events, one range of users after the other."""

from collections.abc import Collection, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.counting.rejects import Rejects, load_rejects
from flows.duck import DuckLimits, Rows, create_table, duck, read_sql

_SQL = "flows.counting.sql"
# A range takes about a quarter of the memory; while one is copied, the next is counted.
_BYTES_PER_EVENT = 1_024
_SAMPLE_STEP = 1_024

Events = Mapping[Path, Collection[int]]
"""Files of events; for each, the numbers of the objects in it that do not count."""


@dataclass
class FullLoad:
    """All that the tables are to contain.

    Attributes:
        ranges: user_id, email, url, count, last_viewed, sorted by user_id and url: one range of users after the other,
            each valid until the next one is taken.
        latest_updates: user_id, instant, email, name of each user's latest update.
        rejects: object_key, line_number, reason, line.
        user_updates: How many distinct user updates there are.
        rows, page_views: How many rows the ranges taken so far have, and how many distinct page views they count.
    """

    ranges: Iterator[Rows]
    latest_updates: Rows
    rejects: Rows
    user_updates: int
    rows: int = 0
    page_views: int = 0


@contextmanager
def full_load(page_views: Events, user_updates: Events, rejects: Rejects, limits: DuckLimits) -> Iterator[FullLoad]:
    """Count all events. While one range is used, the next is counted."""
    with duck(limits) as connection, ThreadPoolExecutor(1) as pool:
        _name_files(connection, "page_view", page_views)
        _name_files(connection, "user_update", user_updates)
        events = limits.memory // _BYTES_PER_EVENT
        for number, (first, last) in enumerate(_ranges(connection, "user_update", events)):
            target = "INSERT INTO latest_updates" if number else "CREATE TABLE latest_updates AS"
            connection.execute(f"{target} {read_sql(_SQL, 'latest_updates')}", {"first": first, "last": last})
        total = connection.execute("SELECT sum(updates)::BIGINT FROM latest_updates").fetchall()
        ranges = _ranges(connection, "page_view", events)
        load = FullLoad(
            iter(()),
            Rows(connection, "SELECT user_id, instant, email, name FROM latest_updates"),
            load_rejects(connection, rejects),
            total[0][0] or 0,
        )
        with closing(_counted(connection, ranges, pool, load)) as load.ranges:
            yield load


def _name_files(connection: duckdb.DuckDBPyConnection, kind: str, events: Events) -> None:
    """Set the variable and the table that the SQL files refer to."""
    paths = [str(path) for path in events]
    connection.execute(f"SET VARIABLE {kind}_files = $paths", {"paths": paths})
    create_table(
        connection,
        f"unwanted_{kind}s",
        {"file_index": "UBIGINT", "object": "INTEGER"},
        [(file, number) for file, numbers in enumerate(events.values()) for number in numbers],
    )


def _ranges(connection: duckdb.DuckDBPyConnection, kind: str, events: int) -> list[tuple[int, int]]:
    """Ranges of users with about so many events of a kind each, which together contain every user."""
    query = read_sql(_SQL, "sample_users")
    sample = connection.execute(query, {"files": f"{kind}_files", "step": _SAMPLE_STEP}).fetchall()
    ends = sorted({user for (user,) in sample[:: max(1, events // _SAMPLE_STEP)][1:]})
    return list(zip([-(2**63), *(end + 1 for end in ends)], [*ends, 2**63 - 1], strict=True))


def _counted(
    connection: duckdb.DuckDBPyConnection, ranges: list[tuple[int, int]], pool: ThreadPoolExecutor, load: FullLoad
) -> Generator[Rows, None, None]:
    """Count the ranges in a thread, one ahead of the consumer."""
    # The thread gets this thread's context, so that stopping the run stops it too.
    context = copy_context()

    def submit(number: int) -> Future[tuple[Rows, int, int]]:
        first, last = ranges[number]
        return pool.submit(context.copy().run, _count, connection, number, first, last)

    ahead = submit(0)
    for number in range(len(ranges)):
        counted, rows, page_views = ahead.result()
        if number + 1 < len(ranges):
            ahead = submit(number + 1)
        load.rows += rows
        load.page_views += page_views
        yield counted


def _count(connection: duckdb.DuckDBPyConnection, number: int, first: int, last: int) -> tuple[Rows, int, int]:
    """The rows of a range of users, their number, and the number of page views."""
    # Two tables in turn: the consumer still reads the other one.
    table = f"counted_{number % 2}"
    connection.execute(
        f"CREATE OR REPLACE TABLE {table} AS {read_sql(_SQL, 'count_page_views')}", {"first": first, "last": last}
    )
    totals = connection.execute(f"SELECT count(*), sum(count)::BIGINT FROM {table}").fetchall()
    return Rows(connection, f"FROM {table}"), totals[0][0], totals[0][1] or 0
