"""Changes: what added log objects change in the table, at a cost that the history does not grow.

A page view that an added object holds is new unless a known object holds it too, and that can only
be one in whose span of time it lies. So of the history just those extracts are read into whose
spans events of added objects fall, looked at day by day: a line that comes late leads to those of
its own time. And of each user the latest update is read, which every run keeps for the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.logs.duck import duck, rows, sql, write
from flows.logs.duck_settings import DuckSettings
from flows.logs.extracts import Found, Unit
from flows.logs.spans import Span, meets, merged
from flows.logs.urls import load_places


@dataclass(frozen=True)
class Part:
    """An extract of which objects count.

    Attributes:
        unit: The extract.
        added: Whether an object is added (else it is known), by its number; others do not count.
    """

    unit: Unit
    added: Mapping[int, bool]


@dataclass(frozen=True)
class Changes:
    """What a run changes in the table that it finds.

    Attributes:
        rows: Parquet file of user_id, url (a number), count and last_viewed, sorted by user_id and
            url: what is to be added to the count, and its last instant.
        urls: Parquet file of the URLs (number, url).
        emails: Parquet file of user_id and email: the emails that have changed.
        latest: Parquet file of each user's latest update, for the next run.
        page_views, user_updates: How many distinct records are new.
    """

    rows: Path
    urls: Path
    emails: Path
    latest: Path
    page_views: int
    user_updates: int


def added_parts(added: Iterable[Found]) -> list[Part]:
    """The extracts of added objects, all of the same kind of log."""
    return _parts((one, True) for one in added)


def find_days(
    parts: Sequence[Part], paths: Mapping[str, Path], settings: DuckSettings
) -> list[Span]:
    """For each day on which added objects have events, the first and the last instant.

    Args:
        parts: Their extracts.
        paths: Where the extracts' files are, by name.
        settings: DuckDB's limits.
    """
    if not parts:
        return []
    with duck(settings) as connection:
        _load_wanted(connection, parts)
        events = [str(paths[part.unit.events.name]) for part in parts]
        return connection.execute(sql("days"), {"events": events}).fetchall()


def parts_to_read(
    added: Iterable[Found], known: Iterable[Found], days: Iterable[Span]
) -> list[Part]:
    """The extracts of added objects, and those of known ones that may hold the same records.

    Args:
        added: Where the records of the added objects are.
        known: Where those of the known ones are, all of the same kind of log.
        days: When the added objects' events were (`find_days`).
    """
    spans = merged(days)
    met = (one for one in known if one.span is not None and meets(one.span, spans))
    return _parts([*((one, True) for one in added), *((one, False) for one in met)])


def _parts(wanted: Iterable[tuple[Found, bool]]) -> list[Part]:
    roles: dict[str, tuple[Unit, dict[int, bool]]] = {}
    for one, is_added in wanted:
        if one.span is not None:
            roles.setdefault(one.unit.manifest, (one.unit, {}))[1][one.number] = is_added
    return [Part(unit, numbers) for _, (unit, numbers) in sorted(roles.items())]


def find_changes(
    parts: Mapping[str, Sequence[Part]],
    paths: Mapping[str, Path],
    latest: Path,
    scratch: Path,
    settings: DuckSettings,
) -> Changes:
    """Find out what added objects change.

    Args:
        parts: The extracts to read, of each kind of log.
        paths: Where their files are, by name.
        latest: What the run before has kept of each user.
        scratch: A folder for the results.
        settings: DuckDB's limits.
    """
    with duck(settings) as connection:
        _load_updates(connection, parts["user_updates"], paths, latest)
        _load_views(connection, parts["page_views"], paths)
        changed, urls, emails, kept = (
            write(connection, sql(name), scratch / f"{name}.parquet")
            for name in ("changed_rows", "numbered_urls", "changed_emails", "latest")
        )
        counts = connection.execute(
            "SELECT (SELECT coalesce(sum(count), 0)::BIGINT FROM new_views),"
            " (SELECT count(*) FROM new_updates)"
        ).fetchone()
    assert counts is not None
    return Changes(changed, urls, emails, kept, *counts)


def _load_updates(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    paths: Mapping[str, Path],
    latest: Path,
) -> None:
    """Make the tables `new_updates` and `emails`."""
    if parts:
        _load_wanted(connection, parts)
        events = [str(paths[part.unit.events.name]) for part in parts]
        connection.execute(sql("new_updates"), {"events": events})
    else:
        columns = "user_id BIGINT, instant TIMESTAMP, email VARCHAR, name VARCHAR"
        connection.execute(f"CREATE TEMP TABLE new_updates ({columns})")
    connection.execute(sql("new_emails"), {"latest": str(latest)})


def _load_views(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], paths: Mapping[str, Path]
) -> None:
    """Make the tables `urls` and `new_views`."""
    if parts:
        _load_wanted(connection, parts)
        units = [part.unit for part in parts]
        load_places(
            connection,
            [(paths[one.events.name], paths[one.urls.name] if one.urls else None) for one in units],
        )
        events = [str(paths[one.events.name]) for one in units]
        connection.execute(sql("new_views"), {"events": events})
    else:
        columns = "user_id BIGINT, url INTEGER, count BIGINT, last_viewed TIMESTAMP"
        connection.execute("CREATE TEMP TABLE urls (number INTEGER, url VARCHAR)")
        connection.execute(f"CREATE TEMP TABLE new_views ({columns})")


def _load_wanted(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> None:
    triples = [
        (file, number, added)
        for file, part in enumerate(parts)
        for number, added in part.added.items()
    ]
    select, parameters = rows({"file": "INTEGER", "object": "INTEGER", "added": "BOOLEAN"}, triples)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS {select}", parameters)
