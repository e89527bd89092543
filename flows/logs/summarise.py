"""Summarise: the events of all wanted objects in, one row per (user_id, url) out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.logs.duck import PARQUET, DuckSettings, duck, rows, sql


@dataclass(frozen=True)
class Events:
    """The files of one extract, and which of its objects do not count.

    Attributes:
        path: Its events.
        urls: The URLs that events of page views point to.
        span: The first and the last instant of its events, in microseconds since 1970.
        unwanted: The numbers of objects that do not count.
        objects: How many objects it has; events are distinct within each of them alone.
    """

    path: Path
    urls: Path | None = None
    span: tuple[int, int] | None = None
    unwanted: tuple[int, ...] = ()
    objects: int = 1


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
        _load_emails(connection, events["user_updates"])
        _load_counts(connection, events["page_views"])
        connection.execute(
            f"COPY ({sql('table').rstrip().rstrip(';')}) TO $path ({PARQUET})", {"path": str(table)}
        )
        totals = connection.execute(
            "SELECT count(*), coalesce(sum(count), 0)::BIGINT,"
            " (SELECT coalesce(sum(updates), 0)::BIGINT FROM emails) FROM counts"
        ).fetchone()
    assert totals is not None
    return Summarised(table, *totals)


def alone(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """For each span of time, the open interval between whose ends no other span reaches.

    Events there have no equal in another extract. The interval is empty where others reach
    everywhere; a span that lies within another one ends the other's interval.

    Args:
        spans: First and last instant of each.

    Returns:
        (after, before) of each span.
    """
    found = [(0, 0)] * len(spans)
    order = sorted(range(len(spans)), key=lambda number: spans[number])
    after = -2
    for number, next_one in zip(order, [*order[1:], None], strict=True):
        last = spans[number][1]
        found[number] = (after, last + 1 if next_one is None else spans[next_one][0])
        after = max(after, last)
    return found


def _load_emails(connection: duckdb.DuckDBPyConnection, parts: list[Events]) -> None:
    """Make the table `emails`: each user's latest one, and how many distinct updates there are."""
    _load_unwanted(connection, parts)
    connection.execute(sql("emails"), {"events": [str(part.path) for part in parts]})


def _load_counts(connection: duckdb.DuckDBPyConnection, parts: list[Events]) -> None:
    """Make the tables `urls` and `counts`."""
    _load_unwanted(connection, parts)
    # Without an event, any span will do.
    spans = [part.span or (-1, -1) for part in parts]
    apart = [
        between if part.objects == 1 else (span[1], span[1])
        for part, span, between in zip(parts, spans, alone(spans), strict=True)
    ]
    select, parameters = rows(
        {"file": "INTEGER", "after_us": "BIGINT", "before_us": "BIGINT"},
        [(number, *between) for number, between in enumerate(apart)],
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE spans AS {select}", parameters)
    urls = {"urls": [str(part.urls) for part in parts]}
    connection.execute(sql("urls"), urls)
    connection.execute(sql("places"), urls)
    connection.execute(sql("counts"), {"events": [str(part.path) for part in parts]})


def _load_unwanted(connection: duckdb.DuckDBPyConnection, parts: list[Events]) -> None:
    pairs = [(number, one) for number, part in enumerate(parts) for one in part.unwanted]
    select, parameters = rows({"file": "INTEGER", "object": "INTEGER"}, pairs)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE unwanted AS {select}", parameters)
