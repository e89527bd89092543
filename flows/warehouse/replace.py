"""A table made to hold exactly the rows of a source, by writing only those that differ."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Connection, Table, inspect
from sqlalchemy.schema import AddConstraint, CreateTable

from flows.warehouse.shape import check_shape

Source = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a stream of rows as CSV, in the order of the table's columns."""


def replace_rows(connection: Connection, table: Table, source: Source | None) -> int:
    """Make the table hold exactly the rows of a source; return how many rows were written."""
    cursor = cast(Cursor, connection.connection.cursor())
    target = sql.Identifier(*([table.schema] if table.schema else []), table.name)
    names = [column.name for column in table.columns]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    if not inspect(connection).has_table(table.name, schema=table.schema):
        # On the first load the key is built once, after the rows: AddConstraint takes it out of
        # CREATE TABLE.
        add_key = AddConstraint(table.primary_key)
        connection.execute(CreateTable(table))
        written = _copy(cursor, target, columns, source)
        connection.execute(add_key)
        return written
    check_shape(connection, table)
    staging = sql.Identifier(f"incoming_{table.name}")
    cursor.execute(
        sql.SQL("CREATE TEMP TABLE {staging} (LIKE {target}) ON COMMIT DROP").format(
            staging=staging, target=target
        )
    )
    _copy(cursor, staging, columns, source)
    cursor.execute(sql.SQL("ANALYZE {}").format(staging))
    keys = [column.name for column in table.primary_key]
    values = [name for name in names if name not in keys]
    parts = {
        "target": target,
        "staging": staging,
        "columns": columns,
        "keys": sql.SQL(", ").join(map(sql.Identifier, keys)),
        "same_key": _all_equal("old", "new", keys),
        "old_values": _qualified("old", values),
        "new_values": _qualified("new", values),
        "new_columns": _qualified("new", names),
        "a_key": _qualified("old", keys[:1]),
        "updates": sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in values
        ),
    }
    cursor.execute(
        sql.SQL(
            "DELETE FROM {target} AS old"
            " WHERE NOT EXISTS (SELECT FROM {staging} AS new WHERE {same_key})"
        ).format(**parts)
    )
    written = cursor.rowcount
    cursor.execute(
        sql.SQL(
            "INSERT INTO {target} ({columns})"
            " SELECT {new_columns} FROM {staging} AS new LEFT JOIN {target} AS old ON {same_key}"
            " WHERE {a_key} IS NULL OR ({old_values}) IS DISTINCT FROM ({new_values})"
            " ON CONFLICT ({keys}) DO UPDATE SET {updates}"
        ).format(**parts)
    )
    return written + cursor.rowcount


def _copy(
    cursor: Cursor, target: sql.Identifier, columns: sql.Composed, source: Source | None
) -> int:
    if source is None:
        return 0
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(target, columns)
    with source() as stream:
        try:
            cursor.copy_expert(statement, stream, size=2**20)
        except SystemError as error:
            # So psycopg2 2.9 says that the server ended the COPY before its end.
            if isinstance(error.__cause__, psycopg2.Error):
                raise error.__cause__ from None
            raise
    return cursor.rowcount


def _qualified(alias: str, names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)


def _all_equal(left: str, right: str, names: list[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name))
        for name in names
    )
