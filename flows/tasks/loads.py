"""The two ways to load the tables: in full, or only what new log objects add."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from flows.counting.full import full_load
from flows.counting.incremental import incremental_load
from flows.logs.objects import LogObject
from flows.tasks.inputs import Inputs
from flows.warehouse.add import add_rows
from flows.warehouse.ledger import PublishedRun
from flows.warehouse.replace import replace_rows
from flows.warehouse.tables import Tables
from flows.warehouse.trust import Found, note_rows, noted_rows


@dataclass(frozen=True)
class Written:
    """What became of the tables.

    Attributes:
        rows: Rows of `user_page_views`.
        rows_written: Rows that were inserted, updated or deleted.
        distinct: The number of distinct records of each kind of log.
        noted: What trust.py records of the tables.
    """

    rows: int
    rows_written: int
    distinct: Mapping[str, int]
    noted: Mapping[str, Any]


def replace(connection: Connection, tables: Tables, inputs: Inputs, found: Found, *, overtaken: bool) -> Written:
    """Count everything, and make the tables contain exactly that; if overtaken, only count."""
    views, updates = inputs.events("page_views"), inputs.events("user_updates")
    with full_load(views, updates, inputs.rejects(), inputs.limits) as load:
        if overtaken:
            for _ in load.ranges:
                pass
        else:
            replaced = {
                table.name: replace_rows(connection, table, sources)
                for table, sources in (
                    (tables.user_page_views, load.ranges),
                    (tables.latest_user_updates, [load.latest_updates]),
                    (tables.rejected_records, [load.rejects]),
                )
            }
    distinct = {"page_views": load.page_views, "user_updates": load.user_updates}
    if overtaken:
        return Written(load.rows, 0, distinct, {})
    views_written = replaced[tables.user_page_views.name]
    if views_written.rows != load.rows:
        raise AssertionError(f"{views_written.rows} rows were copied of {load.rows}")
    rows = {name: one.rows for name, one in replaced.items()}
    noted = note_rows(connection, tables, rows, found, sum(one.written for one in replaced.values()))
    return Written(load.rows, views_written.written, distinct, noted)


def add(
    connection: Connection,
    tables: Tables,
    inputs: Inputs,
    latest: PublishedRun,
    known: Collection[LogObject],
    found: Found,
) -> Written:
    """Count what the objects that are not known add, and add it to the latest run's tables."""
    views = inputs.added_events("page_views", known)
    updates = inputs.added_events("user_updates", known)
    with incremental_load(views, updates, inputs.rejects(known), inputs.limits) as load:
        added = add_rows(
            connection, tables, load.page_views, load.user_updates, load.rejects, found[tables.user_page_views.name]
        )
        distinct = {
            "page_views": latest.summary["page_views"]["counted"] + load.new_page_views,
            "user_updates": latest.summary["user_updates"]["counted"] + load.new_user_updates,
        }
    rows = {name: count + added.inserted[name] for name, count in noted_rows(latest).items()}
    noted = note_rows(connection, tables, rows, found, added.sent)
    return Written(rows[tables.user_page_views.name], added.written, distinct, noted)
