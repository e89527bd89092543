"""Publish: a run's rows into `user_page_views`, in one transaction together with its ledger row."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from flows.warehouse.add import add_rows, add_views
from flows.warehouse.ledger import (
    Listing,
    PublishedRun,
    lock_environment,
    read_latest,
    read_run,
)
from flows.warehouse.preload import NotPreloaded, Preload
from flows.warehouse.replace import Replaced, add_key, replace_rows
from flows.warehouse.tables import Tables
from flows.warehouse.trust import (
    Found,
    find_rows,
    is_as_left,
    note_rows,
    noted_rows,
    this_transaction,
)
from flows.warehouse.views_stream import ViewFiles
from flows.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Whole:
    """All that the tables are to hold.

    Attributes:
        table: Rows of user_page_views.
        rows: How many rows that has.
        rejects: Parquet file of object_key, line_number, reason, line (None: there are none).
    """

    table: ViewFiles
    rows: int
    rejects: Path | None


@dataclass(frozen=True)
class Additions:
    """What is to be added to the tables of another run.

    Attributes:
        base: The place of that run's listing.
        rows: Rows of user_page_views: what is added to the count, and the email that holds now
            (None: nothing).
        emails: Parquet file of user_id, email: the emails that have changed (None: none has).
        rejects: Parquet file of object_key, line_number, reason, line (None: there are none).
    """

    base: int
    rows: ViewFiles | None
    emails: Path | None
    rejects: Path | None


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
        content: For the tables.
        stages: Each stage's result, kept in the ledger.
        summary: What the run returns, but for what only publishing can tell.
    """

    flow: str
    id: str
    started_at: datetime
    listing: Listing
    fingerprint: str
    account: Mapping[str, int]
    content: Whole | Additions
    stages: Mapping[str, Any]
    summary: Mapping[str, Any]


class BaseMoved(Exception):
    """The tables are not those that additions were made for.

    Attributes:
        base: The run whose tables they are instead (None: another hand has changed them, or a later
            listing is published: nothing can be added).
    """

    def __init__(self, base: PublishedRun | None) -> None:
        super().__init__()
        self.base = base


def publish(
    warehouse: Warehouse,
    publication: Publication,
    *,
    again: bool,
    preload: Preload | None = None,
) -> PublishedRun:
    """Make the tables hold this run's rows, and note the run; all of it or nothing.

    Only rows that differ are written, so whatever others hang on the table stays, and readers
    see the old rows until the commit. A run that listed its logs earlier than what is published
    changes no table and is noted as overtaken. An id that another process has published in the
    meantime is left as it is.

    Args:
        warehouse: The environment's database.
        publication: What to publish.
        again: Publish although the id has a row already (a refresh).
        preload: A transaction that holds the rows already, if there is one.

    Raises:
        BaseMoved: There are additions, but not to these tables. Nothing was published.
    """
    tables = warehouse.tables

    def work(connection: Connection) -> PublishedRun:
        lock_environment(connection, tables)
        done = read_run(connection, tables, publication.flow, publication.id)
        # A row of this very listing: the connection broke after an earlier try had committed. A
        # row of a later one: another refresh of the id was faster, and its row is the newer truth.
        if done is not None and (not again or done.listing >= publication.listing.number):
            return done
        latest = read_latest(connection, tables, publication.flow)
        overtaken = latest is not None and latest.listing > publication.listing.number
        found = find_rows(connection, tables)
        content = publication.content
        if isinstance(content, Additions):
            intact = latest is not None and is_as_left(connection, tables, latest, found)
            if latest is None or overtaken or not intact or latest.listing != content.base:
                raise BaseMoved(latest if intact and not overtaken else None)
            written = _add(connection, tables, content, latest, found)
        elif overtaken:
            written = Written(content.rows, 0, {})
        else:
            written = _replace(connection, tables, content, found)
        return _note(connection, tables, publication, written, overtaken)

    def work_preloaded(preload: Preload) -> PublishedRun:
        connection, content = preload.connection, publication.content
        done = read_run(connection, tables, publication.flow, publication.id)
        latest = read_latest(connection, tables, publication.flow)
        overtaken = latest is not None and latest.listing > publication.listing.number
        if done is not None or overtaken or not isinstance(content, Whole):
            raise NotPreloaded
        if content.rows != preload.rows:
            raise AssertionError(f"{preload.rows} rows were taken in, not {content.rows}")
        add_key(connection, tables.user_page_views)
        views = Replaced(preload.rows, preload.rows)
        written = _replaced(connection, tables, content, preload.found, views)
        return _note(connection, tables, publication, written, overtaken)

    if preload is not None:
        with suppress(NotPreloaded):
            return preload.publish(work_preloaded)
        preload.close()
    return warehouse.transaction(work)


@dataclass(frozen=True)
class Written:
    """What became of the tables: rows there are, rows written, and what trust.py notes of them."""

    rows: int
    rows_written: int
    noted: Mapping[str, Any]


def _replace(connection: Connection, tables: Tables, content: Whole, found: Found) -> Written:
    views = replace_rows(connection, tables.user_page_views, content.table)
    return _replaced(connection, tables, content, found, views)


def _replaced(
    connection: Connection, tables: Tables, content: Whole, found: Found, views: Replaced
) -> Written:
    rejects = replace_rows(connection, tables.rejected_records, content.rejects)
    rows = {"user_page_views": views.rows, "rejected_records": rejects.rows}
    return Written(views.rows, views.written, note_rows(connection, tables, rows, found))


def _add(
    connection: Connection, tables: Tables, content: Additions, base: PublishedRun, found: Found
) -> Written:
    before = noted_rows(base)
    left_by = list(found["user_page_views"])
    views = add_views(connection, tables.user_page_views, content.rows, content.emails, left_by)
    rejects = add_rows(connection, tables.rejected_records, content.rejects)
    rows = {
        "user_page_views": before["user_page_views"] + views.inserted,
        "rejected_records": before["rejected_records"] + rejects,
    }
    noted = note_rows(connection, tables, rows, found)
    return Written(rows["user_page_views"], views.written, noted)


def _note(
    connection: Connection,
    tables: Tables,
    publication: Publication,
    written: Written,
    overtaken: bool,
) -> PublishedRun:
    published_at = connection.execute(select(func.clock_timestamp())).scalar_one()
    summary = {
        **publication.summary,
        "listed_at": publication.listing.at.isoformat(),
        "published_at": published_at.isoformat(),
        "rows": written.rows,
        "rows_written": written.rows_written,
        "seconds": round((datetime.now(UTC) - publication.started_at).total_seconds(), 3),
        "overtaken": overtaken,
    }
    stages = {**publication.stages, "tables": dict(written.noted)}
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
        "stages": stages,
        **publication.account,
    }
    statement = insert(tables.pipeline_runs).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["flow", "id"],
            set_={name: value for name, value in row.items() if name not in ("flow", "id")},
        )
    )
    return PublishedRun(
        publication.listing.number,
        publication.fingerprint,
        summary,
        stages,
        this_transaction(connection),
    )
