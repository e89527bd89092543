"""Incremental load: new rows on top of tables that are as the previous run left them."""

from collections.abc import Collection
from dataclasses import dataclass

from psycopg2 import sql
from sqlalchemy import Connection

from flows.duck import Rows
from flows.warehouse.copy import copy_rows, cursor_of, identifier_of, stage_rows, statement
from flows.warehouse.tables import Tables

# With this much, PostgreSQL joins in memory and updates rows in the order of the table's pages.
_WORK_MEMORY = "128MB"


@dataclass(frozen=True)
class Added:
    """How many rows were inserted into each table, by its name; what changed in
    `user_page_views`, insertions included; and what changed in all tables."""

    inserted: dict[str, int]
    written: int
    sent: int


def add_rows(
    connection: Connection,
    tables: Tables,
    page_views: Rows,
    user_updates: Rows,
    rejects: Rows,
    left_by: Collection[int],
) -> Added:
    """Add page views, user updates and rejects; each row of `user_page_views` is written once.

    Rows that others write at the same time are left as they are: the next run finds them.

    Args:
        page_views: user_id, url, count, last_viewed: what is added to the count, and the last instant.
        user_updates: user_id, instant, email, name: one update per user.
        left_by: The transactions that wrote the rows of `user_page_views`.
    """
    views, latest = tables.user_page_views, tables.latest_user_updates
    cursor = cursor_of(connection)
    cursor.execute("SELECT set_config('work_mem', %s, true)", [_WORK_MEMORY])
    names: dict[str, sql.Composable] = {"target": identifier_of(views), "latest_updates": identifier_of(latest)}
    # Not a parameter: psycopg2 would take a % in a name for one.
    names["left_by"] = sql.Literal([str(number) for number in left_by])
    columns = [column.name for column in latest.columns]
    updates, _ = stage_rows(cursor, latest, columns, [user_updates], "incoming_updates")
    cursor.execute(statement("insert_new_users", **names, staging=updates))
    new_users = cursor.rowcount
    cursor.execute(statement("update_latest_updates", **names, staging=updates))
    changed_users = cursor.rowcount
    columns = ["user_id", "url", "count", "last_viewed"]
    rows, _ = stage_rows(cursor, views, columns, [page_views], "incoming_rows")
    cursor.execute(statement("insert_new_rows", **names, staging=rows))
    inserted = written = cursor.rowcount
    for name, staging in (("update_counts", rows), ("update_emails", updates)):
        cursor.execute(statement(name, **names, staging=staging))
        written += cursor.rowcount
    rejected = tables.rejected_records
    columns = [column.name for column in rejected.columns]
    new_rejects = copy_rows(cursor, identifier_of(rejected), columns, rejects)
    by_name = {views.name: inserted, latest.name: new_users, rejected.name: new_rejects}
    return Added(by_name, written, new_users + changed_users + written + new_rejects)
