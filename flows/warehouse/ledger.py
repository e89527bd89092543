"""The ledger, `pipeline_runs`: whether an id was published is what its row says, nothing else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, inspect, literal_column, select
from sqlalchemy.schema import CreateSchema

from flows.errors import WarehouseError
from flows.warehouse.shape import check_shape
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import LOCK_CLASS, Warehouse


@dataclass(frozen=True)
class PublishedRun:
    """A row of the ledger.

    Attributes:
        listing: The place of its listing in the order of listings.
        fingerprint: Of its inputs.
        summary: What the run returned.
        stages: Each stage's result.
        transaction: That wrote the row.
    """

    listing: int
    fingerprint: str
    summary: dict[str, Any]
    stages: dict[str, Any]
    transaction: int


@dataclass(frozen=True)
class Listing:
    """A place in the order of listings: its number, and the database's clock for people."""

    number: int
    at: datetime


def lock_environment(connection: Connection, tables: Tables) -> None:
    """Wait for, and hold to the transaction's end, the right to change this schema's tables."""
    connection.execute(select(func.pg_advisory_xact_lock(LOCK_CLASS, _lock_key(tables))))


def try_lock_environment(connection: Connection, tables: Tables) -> bool:
    """As `lock_environment`, but without waiting; give whether the right is held now."""
    key = _lock_key(tables)
    locked = connection.scalar(select(func.pg_try_advisory_xact_lock(LOCK_CLASS, key)))
    return locked is True


def _lock_key(tables: Tables) -> ColumnElement[int]:
    schema = func.coalesce(tables.metadata.schema, func.current_schema())
    key: ColumnElement[int] = func.hashtext(func.concat(func.current_database(), "/", schema))
    return key


def prepare(warehouse: Warehouse) -> None:
    """Create the schema, the ledger and the table of rejects where they are absent.

    Without any of them absent, no privilege to create is needed.

    Raises:
        WarehouseError: A table that is there has another shape.
    """
    tables = warehouse.tables
    schema = tables.metadata.schema

    def work(connection: Connection) -> None:
        lock_environment(connection, tables)
        if schema is not None and not inspect(connection).has_schema(schema):
            connection.execute(CreateSchema(schema))
        if schema is None and connection.scalar(select(func.current_schema())) is None:
            raise WarehouseError(
                "The database connection has no schema of its own to make tables in: register "
                "DATABASE_SCHEMA, or set the role's search_path."
            )
        wanted = [tables.pipeline_runs, tables.rejected_records]
        tables.metadata.create_all(connection, tables=wanted)
        for table in wanted:
            check_shape(connection, table)

    warehouse.transaction(work)


def find_run(warehouse: Warehouse, flow: str, id: str) -> PublishedRun | None:
    """The published run of this id, or None: also where there is no ledger yet."""
    tables = warehouse.tables
    runs = tables.pipeline_runs

    def work(connection: Connection) -> PublishedRun | None:
        if not inspect(connection).has_table(runs.name, schema=runs.schema):
            return None
        check_shape(connection, runs)
        return read_run(connection, tables, flow, id)

    # A run's first contact: where the settings are wrong, this is to be known soon.
    return warehouse.transaction(work, attempts=3)


def read_run(connection: Connection, tables: Tables, flow: str, id: str) -> PublishedRun | None:
    """As `find_run`, within a transaction."""
    row = connection.execute(
        _published(tables, flow).where(tables.pipeline_runs.c.id == id)
    ).first()
    return None if row is None else PublishedRun(*row)


def find_latest(warehouse: Warehouse, flow: str) -> PublishedRun | None:
    """The run that the table is from: of those that were not overtaken, the last that listed."""
    return warehouse.transaction(lambda connection: read_latest(connection, warehouse.tables, flow))


def read_latest(connection: Connection, tables: Tables, flow: str) -> PublishedRun | None:
    """As `find_latest`, within a transaction."""
    runs = tables.pipeline_runs
    row = connection.execute(
        _published(tables, flow)
        .where(runs.c.overtaken.is_(False))
        .order_by(runs.c.listing.desc())
        .limit(1)
    ).first()
    return None if row is None else PublishedRun(*row)


def _published(tables: Tables, flow: str) -> Select[Any]:
    runs = tables.pipeline_runs
    transaction: ColumnElement[int] = literal_column("xmin::text::bigint")
    columns = (runs.c.listing, runs.c.fingerprint, runs.c.summary, runs.c.stages, transaction)
    return select(*columns).where(runs.c.flow == flow)


def count_runs(warehouse: Warehouse) -> int:
    """How many runs the ledger holds, of any flow."""
    runs = select(func.count()).select_from(warehouse.tables.pipeline_runs)
    return warehouse.transaction(lambda connection: int(connection.scalar(runs) or 0))


def next_listing(warehouse: Warehouse) -> Listing:
    """Take a place in the order of listings; call it just before the logs are listed."""
    number = select(warehouse.tables.listings.next_value(), func.clock_timestamp())
    newest = select(func.max(warehouse.tables.pipeline_runs.c.listing))

    def work(connection: Connection) -> Listing:
        listing = Listing(*connection.execute(number).one())
        # Where the ledger was restored without the sequence, that starts below the ledger's runs,
        # and all listings to come would count as earlier ones.
        latest = connection.scalar(newest) or 0
        while listing.number <= latest:
            listing = Listing(*connection.execute(number).one())
        return listing

    return warehouse.transaction(work)
