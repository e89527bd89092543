"""What a run brings, added to a table that is as the run before has left it."""

from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql
from sqlalchemy import Connection, Table

from flows.warehouse.copy import copy_rows, cursor_of, identifier_of, stage_rows
from flows.warehouse.shape import check_shape
from flows.warehouse.views_stream import ViewFiles

_WORK_MEMORY = "128MB"
_INSERT = """\
INSERT INTO {target} ({columns})
SELECT {columns} FROM {staging}
ON CONFLICT (user_id, url) DO NOTHING
"""
_UPDATE = """\
UPDATE {target} AS old
SET
    count = old.count + new.count,
    last_viewed = greatest(old.last_viewed, new.last_viewed),
    email = new.email
FROM {staging} AS new
WHERE old.user_id = new.user_id AND old.url = new.url AND old.xmin = ANY (%(left_by)s::xid [])
"""
_EMAILS = """\
UPDATE {target} AS old
SET email = new.email
FROM {staging} AS new
WHERE
    old.user_id = new.user_id
    AND old.email IS DISTINCT FROM new.email
    AND old.xmin = ANY (%(left_by)s::xid [])
"""


@dataclass(frozen=True)
class Added:
    """How many rows are new in the table, and how many were written in all."""

    inserted: int
    written: int


def add_views(
    connection: Connection,
    table: Table,
    rows: ViewFiles | None,
    emails: Path | None,
    left_by: list[int],
) -> Added:
    """Add page views to `user_page_views`, and change emails; each row is written once.

    Rows that somebody writes in the meantime are left as they are: the next run finds them.

    Args:
        connection: In the transaction.
        table: The table.
        rows: What is added to the count, and the email that holds now (None: no row).
        emails: Parquet file of user_id and email (None: no row).
        left_by: The transactions that the table's rows are from.
    """
    check_shape(connection, table)
    cursor, target = cursor_of(connection), identifier_of(table)
    names = [column.name for column in table.columns]
    values = {"left_by": [str(number) for number in left_by]}
    inserted = written = 0
    # For this transaction alone: a join in memory keeps to the order of the table's pages.
    cursor.execute("SELECT set_config('work_mem', %s, true)", [_WORK_MEMORY])
    if rows is not None:
        staging, _ = stage_rows(cursor, table, names, rows, "incoming_rows")
        parts = {
            "target": target,
            "staging": staging,
            "columns": sql.SQL(", ").join(map(sql.Identifier, names)),
        }
        cursor.execute(sql.SQL(_INSERT).format(**parts))
        inserted = cursor.rowcount
        # New rows are of this transaction, so they are not counted twice.
        cursor.execute(sql.SQL(_UPDATE).format(**parts), values)
        written = inserted + cursor.rowcount
    if emails is not None:
        staging, _ = stage_rows(cursor, table, ["user_id", "email"], emails, "incoming_emails")
        cursor.execute(sql.SQL(_EMAILS).format(target=target, staging=staging), values)
        written += cursor.rowcount
    return Added(inserted, written)


def add_rows(connection: Connection, table: Table, rows: Path | None) -> int:
    """Add a Parquet file's rows (None: none) to a table; give how many."""
    check_shape(connection, table)
    names = [column.name for column in table.columns]
    return copy_rows(cursor_of(connection), identifier_of(table), names, rows)
