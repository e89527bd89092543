"""Publish: a run's rows into `user_page_views`, in one transaction together with its ledger row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from flows.warehouse.csv_stream import csv_stream
from flows.warehouse.ledger import Listing, PublishedRun, lock_environment, read_run
from flows.warehouse.replace import Source, replace_rows
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Publication:
    """What a run publishes.

    Attributes:
        flow: The flow's name, which with `id` keys the ledger.
        id: The run's key.
        started_at: When the run began.
        listing: The place of the run's listing in the order of listings.
        fingerprint: The hash of the run's inputs.
        account: Columns of section 5 by name.
        table: Parquet file of user_id, email, url, count, last_viewed.
        rejects: Parquet files of object_key, line_number, reason, line.
        reject_keys: The keys whose rejects count, by place in `rejects` (None: all of a file's).
        stages: Each stage's result, kept in the ledger.
        summary: What the run returns, but for what only publishing can tell.
    """

    flow: str
    id: str
    started_at: datetime
    listing: Listing
    fingerprint: str
    account: Mapping[str, int]
    table: Path
    rejects: list[tuple[Path, list[str] | None]]
    stages: Mapping[str, Any]
    summary: Mapping[str, Any]


def publish(warehouse: Warehouse, publication: Publication, *, again: bool) -> PublishedRun:
    """Make the tables hold this run's rows, and note the run; all of it or nothing.

    Only rows that differ are written, so whatever others hang on the table stays, and readers
    see the old rows until the commit. A run that listed its logs earlier than what is published
    changes no table and is noted as overtaken. An id that another process has published in the
    meantime is left as it is.

    Args:
        warehouse: The environment's database.
        publication: What to publish.
        again: Publish although the id has a row already (a refresh).
    """
    incoming = partial(
        csv_stream,
        "SELECT user_id, email, url, count, last_viewed FROM read_parquet($path)",
        {"path": str(publication.table)},
    )
    rejects = _rejects(publication.rejects)
    tables = warehouse.tables

    def work(connection: Connection) -> PublishedRun:
        lock_environment(connection, tables)
        done = read_run(connection, tables, publication.flow, publication.id)
        # A row of this very listing: the connection broke after an earlier try had committed. A
        # row of a later one: another refresh of the id was faster, and its row is the newer truth.
        if done is not None and (not again or done.listing >= publication.listing.number):
            return done
        overtaken = _is_overtaken(connection, tables, publication)
        written = 0
        if not overtaken:
            written = replace_rows(connection, tables.user_page_views, incoming)
            replace_rows(connection, tables.rejected_records, rejects)
        return _note(connection, tables, publication, written, overtaken)

    return warehouse.transaction(work)


def _is_overtaken(connection: Connection, tables: Tables, publication: Publication) -> bool:
    runs = tables.pipeline_runs
    latest = connection.scalar(
        select(func.max(runs.c.listing)).where(
            runs.c.flow == publication.flow, runs.c.overtaken.is_(False)
        )
    )
    return latest is not None and latest > publication.listing.number


def _note(
    connection: Connection,
    tables: Tables,
    publication: Publication,
    rows_written: int,
    overtaken: bool,
) -> PublishedRun:
    published_at = connection.execute(select(func.clock_timestamp())).scalar_one()
    summary = {
        **publication.summary,
        "listed_at": publication.listing.at.isoformat(),
        "published_at": published_at.isoformat(),
        "rows_written": rows_written,
        "seconds": round((datetime.now(timezone.utc) - publication.started_at).total_seconds(), 3),
        "overtaken": overtaken,
    }
    row = {
        "flow": publication.flow,
        "id": publication.id,
        "listing": publication.listing.number,
        "started_at": publication.started_at,
        "listed_at": publication.listing.at,
        "published_at": published_at,
        "fingerprint": publication.fingerprint,
        "overtaken": overtaken,
        "summary": summary,
        "stages": dict(publication.stages),
        **publication.account,
    }
    statement = insert(tables.pipeline_runs).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["flow", "id"],
            set_={name: value for name, value in row.items() if name not in ("flow", "id")},
        )
    )
    return PublishedRun(publication.listing.number, summary, dict(publication.stages))


def _rejects(parts: list[tuple[Path, list[str] | None]]) -> Source | None:
    if not parts:
        return None
    chosen = [(str(path), key) for path, keys in parts for key in keys or ()]
    return partial(
        csv_stream,
        "SELECT object_key, line_number, reason, line"
        " FROM read_parquet($paths, filename = true) AS rejects"
        " WHERE list_contains($whole, filename)"
        " OR list_contains($chosen, {'filename': filename, 'object_key': object_key})",
        {
            "paths": [str(path) for path, _ in parts],
            "whole": [str(path) for path, keys in parts if keys is None],
            "chosen": [{"filename": path, "object_key": key} for path, key in chosen],
        },
    )
