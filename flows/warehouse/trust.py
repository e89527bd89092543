"""Whether the tables still contain exactly what this service wrote, checked without reading values.

PostgreSQL keeps with each row the transaction that wrote it (`xmin`). A run records in its ledger row which
transactions wrote the tables' rows, and how many rows there are. If all rows are from these and none is missing, the
tables are as that run left them, and the next run writes only what its logs change. Otherwise somebody has changed,
deleted or restored rows, and it compares all. It also does so if a trigger may have changed rows as they were stored:
then the ledger records nothing of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, inspect, literal_column, select, text

from flows.duck import read_sql
from flows.warehouse.ledger import PublishedRun
from flows.warehouse.shape import check_shape
from flows.warehouse.tables import Tables

Found = Mapping[str, Mapping[int, int]]
"""For each table, by name: how many of its rows are from which transaction."""

_STAGE = "tables"


def find_rows(connection: Connection, tables: Tables) -> Found:
    """What the tables contain; nothing if they are missing.

    Raises:
        WarehouseError: A table has another shape.
    """
    return {table.name: _transactions_of(connection, table) for table in tables.loaded}


def this_transaction(connection: Connection) -> int:
    """The number that rows written in this transaction have as their `xmin`."""
    return int(connection.execute(select(func.txid_current())).scalar_one()) & 0xFFFFFFFF


def note_rows(
    connection: Connection, tables: Tables, rows: Mapping[str, int], found: Found, sent: int
) -> dict[str, Any]:
    """What the ledger records of the tables as this transaction leaves them, JSON-able.

    Args:
        rows: How many rows each has now, by its name.
        found: What they contained before.
        sent: How many rows this transaction has inserted, updated and deleted.
    """
    this = this_transaction(connection)
    if not _are_stored_as_sent(connection, (*tables.loaded, tables.pipeline_runs), sent):
        return {"transaction": this}
    noted: dict[str, Any] = {
        table.name: {
            "columns": _identity(connection, table),
            "rows": rows[table.name],
            "transactions": sorted({*found[table.name], this}),
        }
        for table in tables.loaded
    }
    return {**noted, "transaction": this}


def noted_rows(run: PublishedRun) -> dict[str, int]:
    """How many rows each table had after a run."""
    return {name: table["rows"] for name, table in run.stages[_STAGE].items() if name != "transaction"}


def is_as_left(connection: Connection, tables: Tables, run: PublishedRun, found: Found) -> bool:
    """Whether the tables are as the run left them."""
    noted = run.stages.get(_STAGE)
    # A ledger row whose transaction is not the recorded one was restored, perhaps from another
    # database, whose transaction numbers mean nothing here.
    if noted is None or noted["transaction"] != run.transaction:
        return False
    # An incremental load takes emails from this table as it has stored them: no trigger may be on it, not even one
    # that would have written nothing yet (-1).
    return _are_stored_as_sent(connection, [tables.latest_user_updates], -1) and all(
        table.name in noted  # an older version had other tables
        and sum(found[table.name].values()) == noted[table.name]["rows"]
        and found[table.name].keys() <= set(noted[table.name]["transactions"])
        and _identity(connection, table) == noted[table.name].get("columns")
        for table in tables.loaded
    )


def _are_stored_as_sent(connection: Connection, tables: Sequence[Table], sent: int) -> bool:
    query = text(read_sql("flows.warehouse.sql", "are_stored_as_sent"))
    names = [table.name for table in tables]
    return bool(connection.scalar(query, {"schema": tables[0].schema, "tables": names, "sent": sent}))


def _transactions_of(connection: Connection, table: Table) -> dict[int, int]:
    if not inspect(connection).has_table(table.name, schema=table.schema):
        return {}
    check_shape(connection, table)
    xmin: ColumnElement[str] = literal_column("xmin::text")
    group: ColumnElement[str] = literal_column("xmin")
    found = select(xmin, func.count()).select_from(table).group_by(group)
    return {int(number): count for number, count in connection.execute(found)}


def _identity(connection: Connection, table: Table) -> list[list[Any]]:
    """The oid, name and number of each of our columns; they change if the table or a column is created again."""
    query = text(read_sql("flows.warehouse.sql", "find_columns"))
    found = connection.execute(query, {"schema": table.schema, "table": table.name})
    return [list(column) for column in found if column.attname in table.columns]
