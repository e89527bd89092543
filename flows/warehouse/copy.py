"""COPY: rows of DuckDB into tables of PostgreSQL, as CSV through a pipe."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import BinaryIO, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Connection, Table

from flows.duck import Rows, read_sql
from flows.stopping import interrupted_by_stop

_OPTIONS = "FORMAT csv, HEADER false, FORCE_QUOTE *, USE_TMP_FILE false"


def cursor_of(connection: Connection) -> Cursor:
    """A cursor of psycopg2 in the connection's transaction."""
    return cast(Cursor, connection.connection.cursor())


def identifier_of(table: Table) -> sql.Identifier:
    """The table's name, with its schema."""
    return sql.Identifier(*([table.schema] if table.schema else []), table.name)


def statement(name: str, **parts: sql.Composable) -> sql.Composed:
    """The statement of the file `sql/{name}.sql`, with its names filled in."""
    return sql.SQL(read_sql("flows.warehouse.sql", name)).format(**parts)


def names_of(columns: Iterable[str]) -> sql.Composed:
    """Column names, separated by commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def copy_rows(cursor: Cursor, target: sql.Identifier, columns: list[str], rows: Rows) -> int:
    """Copy rows into a table; return how many.

    Args:
        columns: The columns of both.
    """
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(target, names_of(columns))
    with _csv(rows, columns) as stream:
        try:
            cursor.copy_expert(copy, stream, size=2**20)
        except SystemError as error:
            # This is how psycopg2 2.9 reports that the server ended the COPY early.
            if isinstance(error.__cause__, psycopg2.Error):
                raise error.__cause__ from None
            raise
    return cursor.rowcount


def stage_rows(
    cursor: Cursor, table: Table, columns: list[str], sources: Iterable[Rows], name: str
) -> tuple[sql.Identifier, int]:
    """Copy rows into a temporary table; return its name and how many rows it has.

    Args:
        cursor: In the transaction, at whose end the temporary table is dropped.
        table: The table whose column types the temporary one takes.
    """
    staging = sql.Identifier("pg_temp", name)
    create = sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA")
    cursor.execute(create.format(sql.Identifier(name), names_of(columns), identifier_of(table)))
    rows = sum(copy_rows(cursor, staging, columns, source) for source in sources)
    cursor.execute(sql.SQL("ANALYZE {}").format(staging))
    return staging, rows


@contextmanager
def _csv(rows: Rows, columns: list[str]) -> Iterator[BinaryIO]:
    """The rows as CSV, while DuckDB writes them; complete only if the context ends without an error.

    As PostgreSQL reads it: NULL is an empty unquoted field; every value is quoted.
    """
    reading, writing = os.pipe()
    names = ", ".join(f'"{column}"' for column in columns)

    def write() -> None:
        with open(writing, "wb") as stream, rows.connection.cursor() as session, interrupted_by_stop(session.interrupt):
            session.execute(f"COPY (SELECT {names} FROM ({rows.query})) TO '/dev/fd/{stream.fileno()}' ({_OPTIONS})")

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(copy_context().run, write)
        # Close the pipe before waiting for the pool: a writer without a reader would block forever.
        with open(reading, "rb") as stream:
            yield stream
        done.result()
