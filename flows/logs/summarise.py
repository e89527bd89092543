"""Summarise: the events of all wanted objects in, one row per (user_id, url) out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.logs.duck import DuckSettings, duck, rows, sql
from flows.logs.extract import COLUMNS


@dataclass(frozen=True)
class Events:
    """The events file of one extract, and which of its objects are wanted (None: all)."""

    path: Path
    objects: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Summarised:
    """What a run publishes.

    `table` is a Parquet file with user_id, email, url, count and last_viewed, sorted by user_id
    and url; `page_views` and `user_updates` are the distinct records it stands for.
    """

    table: Path
    rows: int
    page_views: int
    user_updates: int


def summarise(
    events: Mapping[str, list[Events]], scratch: Path, settings: DuckSettings
) -> Summarised:
    """Count distinct page views by (user_id, url), and give each user the latest email.

    Args:
        events: The extracts of each kind of log.
        scratch: A folder for the result.
        settings: DuckDB's limits.
    """
    table = scratch / "user_page_views.parquet"
    with duck(settings) as connection:
        for kind, parts in events.items():
            _load_distinct(connection, kind, parts)
        connection.execute(sql("summarise"))
        connection.sql(
            "SELECT user_id, email, url, count, last_viewed FROM summary ORDER BY user_id, url"
        ).write_parquet(str(table), compression="zstd")
        totals = connection.execute(
            "SELECT count(*), coalesce(sum(count), 0)::BIGINT, (SELECT count(*) FROM user_updates)"
            " FROM summary"
        ).fetchone()
    assert totals is not None
    return Summarised(table, *totals)


def _load_distinct(connection: duckdb.DuckDBPyConnection, kind: str, parts: list[Events]) -> None:
    """Make the table named like the kind: its distinct records, over all wanted objects."""
    columns = ", ".join(["instant", *COLUMNS[kind]])
    whole = [str(part.path) for part in parts if part.objects is None]
    chosen = [(str(part.path), number) for part in parts for number in part.objects or ()]
    sources, parameters = [], {}
    if whole:
        sources.append(f"SELECT {columns} FROM read_parquet($whole)")
        parameters["whole"] = whole
    if chosen:
        select, values = rows({"filename": "VARCHAR", "object": "INTEGER"}, chosen)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE chosen AS {select}", values)
        sources.append(
            f"SELECT {columns} FROM read_parquet($chosen, filename = true)"
            " SEMI JOIN chosen USING (filename, object)"
        )
        parameters["chosen"] = sorted({path for path, _ in chosen})
    union = " UNION ALL ".join(sources)
    connection.execute(f"CREATE TEMP TABLE {kind} AS SELECT DISTINCT * FROM ({union})", parameters)
