"""COPY: the rows of Parquet files into a table."""

from contextlib import AbstractContextManager
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Connection, Table

from flows.warehouse.csv_stream import csv_stream
from flows.warehouse.views_stream import ViewFiles, views_stream

Source: TypeAlias = Path | ViewFiles
"""Rows: a Parquet file of a table's columns, or those of user_page_views."""


def cursor_of(connection: Connection) -> Cursor:
    """A cursor of the driver's own, in the connection's transaction."""
    return cast(Cursor, connection.connection.cursor())


def identifier_of(table: Table) -> sql.Identifier:
    """The table's name, with its schema."""
    return sql.Identifier(*([table.schema] if table.schema else []), table.name)


def copy_rows(
    cursor: Cursor, target: sql.Identifier, columns: list[str], source: Source | None
) -> int:
    """Copy rows into a table; give how many there were.

    Args:
        cursor: In the transaction.
        target: The table.
        columns: Of both.
        source: The rows (None: there are none).
    """
    if source is None:
        return 0
    rows: AbstractContextManager[BinaryIO | RawIOBase]
    if isinstance(source, ViewFiles):
        form, rows = "binary", views_stream(source)
    else:
        form, rows = "csv", csv_stream(source, columns)
    return copy_stream(cursor, target, columns, form, rows)


def copy_stream(
    cursor: Cursor,
    target: sql.Identifier,
    columns: list[str],
    form: str,
    rows: AbstractContextManager[BinaryIO | RawIOBase],
) -> int:
    """Copy a stream of rows in one of COPY's forms into a table; give how many there were."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(target, names, sql.SQL(form))
    with rows as stream:
        try:
            cursor.copy_expert(statement, stream, size=2**20)
        except SystemError as error:
            # So psycopg2 2.9 says that the server ended the COPY before its end.
            if isinstance(error.__cause__, psycopg2.Error):
                raise error.__cause__ from None
            raise
    return cursor.rowcount


def stage_rows(
    cursor: Cursor, table: Table, columns: list[str], source: Source | None, name: str
) -> tuple[sql.Identifier, int]:
    """Copy rows into a temporary table; give that, and how many rows it has.

    Args:
        cursor: In the transaction, with whose end the temporary table ends.
        table: Whose columns' types the temporary one takes.
        columns: Its columns.
        source: The rows (None: there are none).
        name: Of the temporary table.
    """
    staging = sql.Identifier(name)
    cursor.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            staging, sql.SQL(", ").join(map(sql.Identifier, columns)), identifier_of(table)
        )
    )
    rows = copy_rows(cursor, staging, columns, source)
    cursor.execute(sql.SQL("ANALYZE {}").format(staging))
    return staging, rows
