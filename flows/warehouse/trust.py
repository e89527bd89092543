"""Whether the tables still hold just what this service has written, told without reading values.

PostgreSQL keeps with each row the transaction that wrote it (`xmin`). A run notes in its ledger
row which transactions the tables' rows are from, and how many rows there are. Where all are from
these and none is missing, the tables are what that run has left, and the next run need write only
what its logs change. Where not (somebody has changed, deleted or restored rows), it compares all.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, cast, func, inspect, literal_column, select
from sqlalchemy.dialects.postgresql import OID

from flows.warehouse.ledger import PublishedRun
from flows.warehouse.tables import Tables

Found = Mapping[str, Mapping[int, int]]
"""For each table, by name: how many of its rows are from which transaction."""

_STAGE = "tables"


def find_rows(connection: Connection, tables: Tables) -> Found:
    """What the tables hold; nothing where there is none."""
    return {table.name: _transactions_of(connection, table) for table in _watched(tables)}


def this_transaction(connection: Connection) -> int:
    """The number that rows written in this transaction have as their `xmin`."""
    number: int = connection.execute(select(func.txid_current())).scalar_one()
    return number & 0xFFFFFFFF


def note_rows(
    connection: Connection, tables: Tables, rows: Mapping[str, int], found: Found
) -> dict[str, Any]:
    """What the ledger is to keep of the tables that this transaction leaves, JSON-able.

    Args:
        connection: In the transaction.
        tables: The tables.
        rows: How many rows each has now, by its name.
        found: What was found in them before.
    """
    this = this_transaction(connection)
    noted: dict[str, Any] = {
        table.name: {
            "oid": _oid(connection, table),
            "rows": rows[table.name],
            "transactions": sorted({*found[table.name], this}),
        }
        for table in _watched(tables)
    }
    return {**noted, "transaction": this}


def noted_rows(run: PublishedRun) -> dict[str, int]:
    """How many rows a run has left in each table."""
    noted = run.stages[_STAGE]
    return {name: table["rows"] for name, table in noted.items() if name != "transaction"}


def is_as_left(connection: Connection, tables: Tables, run: PublishedRun, found: Found) -> bool:
    """Whether the tables hold what the run has left in them."""
    noted = run.stages.get(_STAGE)
    # A ledger row from another transaction than it says was restored, from another database maybe,
    # whose numbers mean nothing here.
    if noted is None or noted["transaction"] != run.transaction:
        return False
    return all(
        sum(found[table.name].values()) == noted[table.name]["rows"]
        and found[table.name].keys() <= set(noted[table.name]["transactions"])
        and _oid(connection, table) == noted[table.name]["oid"]
        for table in _watched(tables)
    )


def _watched(tables: Tables) -> list[Table]:
    return [tables.user_page_views, tables.rejected_records]


def _transactions_of(connection: Connection, table: Table) -> dict[int, int]:
    if not inspect(connection).has_table(table.name, schema=table.schema):
        return {}
    xmin: ColumnElement[str] = literal_column("xmin::text")
    group: ColumnElement[str] = literal_column("xmin")
    found = select(xmin, func.count()).select_from(table).group_by(group)
    return {int(number): count for number, count in connection.execute(found)}


def _oid(connection: Connection, table: Table) -> int:
    name = connection.dialect.identifier_preparer.format_table(table)
    found: int = connection.execute(select(cast(func.to_regclass(name), OID))).scalar_one()
    return found
