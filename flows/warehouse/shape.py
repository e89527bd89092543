"""Whether an existing table can contain exactly what this service writes."""

from sqlalchemy import Connection, Table, inspect, text

from flows.duck import read_sql
from flows.errors import WarehouseError


def check_shape(connection: Connection, table: Table) -> None:
    """Raise if a table lacks a column or its key, has a column of another type, or something that adds or hides rows.

    Raises:
        WarehouseError: Names the table and all that differs.
    """
    dialect = connection.dialect
    columns = inspect(connection).get_columns(table.name, schema=table.schema)
    found = {column["name"]: column["type"].compile(dialect) for column in columns}
    types = {column.name: column.type.compile(dialect) for column in table.columns}
    wrong = [
        f"{name} must be {kind}" + (f", is {found[name]}" if name in found else "")
        for name, kind in types.items()
        if found.get(name) != kind
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
