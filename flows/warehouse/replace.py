"""Full load: a table that contains exactly the given rows, by writing only those that differ."""

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg2 import sql
from sqlalchemy import Connection, Table, inspect
from sqlalchemy.schema import AddConstraint, CreateTable

from flows.duck import Rows
from flows.warehouse.copy import copy_rows, cursor_of, identifier_of, names_of, stage_rows, statement
from flows.warehouse.shape import check_shape


@dataclass(frozen=True)
class Replaced:
    """How many rows the table has now, and how many were inserted, updated or deleted."""

    rows: int
    written: int


def replace_rows(connection: Connection, table: Table, sources: Iterable[Rows]) -> Replaced:
    """Make the table contain exactly these rows; it is created if missing."""
    cursor, target = cursor_of(connection), identifier_of(table)
    names = [column.name for column in table.columns]
    if not inspect(connection).has_table(table.name, schema=table.schema):
        # The key is built once, after the rows. AddConstraint takes it out of CREATE TABLE.
        add_key = AddConstraint(table.primary_key)
        connection.execute(CreateTable(table))
        rows = sum(copy_rows(cursor, target, names, source) for source in sources)
        connection.execute(add_key)
        return Replaced(rows, rows)
    check_shape(connection, table)
    staging, rows = stage_rows(cursor, table, names, sources, f"incoming_{table.name}")
    keys = [column.name for column in table.primary_key]
    values = [name for name in names if name not in keys]
    same_key = _all_equal("old", "new", keys)
    tables = {"target": target, "staging": staging, "same_key": same_key}
    cursor.execute(statement("delete_missing_rows", **tables))
    written = cursor.rowcount
    cursor.execute(
        statement(
            "upsert_differing_rows",
            **tables,
            columns=names_of(names),
            keys=names_of(keys),
            a_key=_qualified("old", keys[:1]),
            old_values=_qualified("old", values),
            new_values=_qualified("new", values),
            new_columns=_qualified("new", names),
            updates=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in values),
        )
    )
    return Replaced(rows, written + cursor.rowcount)


def _qualified(alias: str, names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)


def _all_equal(left: str, right: str, names: list[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in names
    )
