"""Incremental load: what added log objects change, at a cost that does not grow with the history.

A page view in an added object is new unless a known object contains it too, and only objects whose spans of time
overlap can contain it. So only those extracts are read that overlap the days on which the added objects have events.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.counting.rejects import Rejects, load_rejects
from flows.duck import DuckLimits, Rows, create_table, duck, read_sql

_SQL = "flows.counting.sql"
_WANTED = {"file_index": "UBIGINT", "object": "INTEGER", "is_added": "BOOLEAN"}

Events = Mapping[Path, Mapping[int, bool]]
"""Files of events; for each, whether an object is added (else it is known), by its number. Other
objects do not count."""


@dataclass(frozen=True)
class IncrementalLoad:
    """What is to be added to the tables.

    Attributes:
        page_views: user_id, url, count and last_viewed: what is added to the count, and the last instant.
        user_updates: user_id, instant, email, name: the latest of each user's new updates.
        rejects: object_key, line_number, reason, line, of the added objects.
        new_page_views, new_user_updates: How many distinct records are new.
    """

    page_views: Rows
    user_updates: Rows
    rejects: Rows
    new_page_views: int
    new_user_updates: int


def find_days(events: Events, limits: DuckLimits) -> list[tuple[int, int]]:
    """For each day on which added objects have events, the first and the last instant.

    Args:
        events: Files of the added objects, of one kind of log.
    """
    if not events:
        return []
    with duck(limits) as connection:
        return _run(connection, "added_days", events)


@contextmanager
def incremental_load(
    page_views: Events, user_updates: Events, rejects: Rejects, limits: DuckLimits
) -> Iterator[IncrementalLoad]:
    """Find out what added objects change.

    Args:
        rejects: Files of rejects of the added objects.
    """
    with duck(limits) as connection:
        _load(connection, "new_page_views", page_views, _PAGE_VIEWS)
        _load(connection, "new_user_updates", user_updates, _USER_UPDATES)
        yield IncrementalLoad(
            Rows(connection, "FROM new_page_views"),
            Rows(connection, "SELECT user_id, instant, email, name FROM new_user_updates"),
            load_rejects(connection, rejects),
            _sum(connection, "SELECT sum(count)::BIGINT FROM new_page_views"),
            _sum(connection, "SELECT sum(updates)::BIGINT FROM new_user_updates"),
        )


_PAGE_VIEWS = {"user_id": "BIGINT", "url": "VARCHAR", "count": "BIGINT", "last_viewed": "TIMESTAMP"}
_USER_UPDATES = {
    "user_id": "BIGINT",
    "instant": "TIMESTAMP",
    "email": "VARCHAR",
    "name": "VARCHAR",
    "updates": "BIGINT",
}


def _load(connection: duckdb.DuckDBPyConnection, name: str, events: Events, columns: Mapping[str, str]) -> None:
    """Create a table with a SQL file; an empty one if there are no events."""
    if events:
        _run(connection, name, events)
    else:
        create_table(connection, name, columns)


def _run(connection: duckdb.DuckDBPyConnection, name: str, events: Events) -> list[tuple[int, int]]:
    wanted = [
        (file, number, is_added) for file, numbers in enumerate(events.values()) for number, is_added in numbers.items()
    ]
    create_table(connection, "wanted", _WANTED, wanted)
    files = {"files": [str(path) for path in events]}
    return connection.execute(read_sql(_SQL, name), files).fetchall()


def _sum(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    total: Sequence[Iterable[int | None]] = connection.execute(query).fetchall()
    [value] = total[0]
    return value or 0
