"""A table made to hold exactly the rows of a source, by writing only those that differ."""

from dataclasses import dataclass

from psycopg2 import sql
from sqlalchemy import Connection, Table, inspect
from sqlalchemy.schema import AddConstraint, CreateTable

from flows.warehouse.copy import Source, copy_rows, cursor_of, identifier_of, stage_rows
from flows.warehouse.shape import check_shape


@dataclass(frozen=True)
class Replaced:
    """How many rows the table has now, and how many of them were written, or deleted."""

    rows: int
    written: int


def replace_rows(connection: Connection, table: Table, source: Source | None) -> Replaced:
    """Make the table hold exactly the rows of a source (None: no row)."""
    cursor, target = cursor_of(connection), identifier_of(table)
    names = [column.name for column in table.columns]
    if not inspect(connection).has_table(table.name, schema=table.schema):
        create_without_key(connection, table)
        rows = copy_rows(cursor, target, names, source)
        add_key(connection, table)
        return Replaced(rows, rows)
    check_shape(connection, table)
    staging, rows = stage_rows(cursor, table, names, source, f"incoming_{table.name}")
    keys = [column.name for column in table.primary_key]
    values = [name for name in names if name not in keys]
    parts = {
        "target": target,
        "staging": staging,
        "columns": sql.SQL(", ").join(map(sql.Identifier, names)),
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
    return Replaced(rows, written + cursor.rowcount)


def create_without_key(connection: Connection, table: Table) -> None:
    """Create a table for a first load, whose key is built once, after the rows."""
    AddConstraint(table.primary_key)  # takes it out of CREATE TABLE
    connection.execute(CreateTable(table))


def add_key(connection: Connection, table: Table) -> None:
    """Add the key of a table that was created without it."""
    connection.execute(AddConstraint(table.primary_key))


def _qualified(alias: str, names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)


def _all_equal(left: str, right: str, names: list[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name))
        for name in names
    )
