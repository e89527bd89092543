"""Whether an existing table can contain exactly what this service writes."""

from sqlalchemy import Connection, Table, inspect, text

from flows.duck import read_sql
from flows.errors import WarehouseError


def check_shape(connection: Connection, table: Table) -> None:
    """Raise if a table lacks a column or its key, has a column of another type, or something that adds or hides rows.

    Raises:
        WarehouseError: Names the table and all that differs.
    """
    found = {
        column["name"]: column["type"] for column in inspect(connection).get_columns(table.name, schema=table.schema)
    }
    dialect = connection.dialect
    wrong = [
        f"{column.name} must be {column.type.compile(dialect)}"
        + ("" if column.name not in found else f", is {found[column.name].compile(dialect)}")
        for column in table.columns
        if column.name not in found or found[column.name].compile(dialect) != column.type.compile(dialect)
    ]
    keys = inspect(connection).get_pk_constraint(table.name, schema=table.schema)
    wanted = [column.name for column in table.primary_key]
    if keys["constrained_columns"] != wanted:
        wrong.append(f"its primary key must be ({', '.join(wanted)})")
    obstacles = text(read_sql("flows.warehouse.sql", "find_obstacles"))
    wrong += connection.scalars(obstacles, {"schema": table.schema, "table": table.name})
    if wrong:
        raise WarehouseError(
            f"The table {table.fullname} has another shape than this service writes: "
            f"{'; '.join(wrong)}. Nothing was changed: fix the table, or rename it."
        )
