"""The ledger, `pipeline_runs`: whether an id was published is what its row says, nothing else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, inspect, select
from sqlalchemy.schema import CreateSchema

from flows.errors import WarehouseError
from flows.warehouse.tables import Tables

_LOCK_CLASS = 0x75_70_76_31  # "upv1": keeps our advisory locks apart from others'


@dataclass(frozen=True)
class PublishedRun:
    """A row of the ledger: the summary that the run returned, and each stage's result."""

    summary: dict[str, Any]
    stages: dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """A place in the order of listings: its number, and the database's clock for people."""

    number: int
    at: datetime


def lock_environment(connection: Connection, tables: Tables) -> None:
    """Wait for, and hold to the transaction's end, the right to change this schema's tables."""
    schema = func.coalesce(tables.metadata.schema, func.current_schema())
    key = func.hashtext(func.concat(func.current_database(), "/", schema))
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK_CLASS, key)))


def prepare(engine: Engine, tables: Tables) -> None:
    """Create the schema, the ledger and the table of rejects where they are absent.

    Without any of them absent, no privilege to create is needed.
    """
    schema = tables.metadata.schema
    with engine.begin() as connection:
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


def find_run(engine: Engine, tables: Tables, flow: str, id: str) -> PublishedRun | None:
    """The published run of this id, or None: also where there is no ledger yet."""
    runs = tables.pipeline_runs
    with engine.connect() as connection:
        if not inspect(connection).has_table(runs.name, schema=runs.schema):
            return None
        return read_run(connection, tables, flow, id)


def read_run(connection: Connection, tables: Tables, flow: str, id: str) -> PublishedRun | None:
    """As `find_run`, within a transaction."""
    runs = tables.pipeline_runs
    row = connection.execute(
        select(runs.c.summary, runs.c.stages).where(runs.c.flow == flow, runs.c.id == id)
    ).one_or_none()
    return None if row is None else PublishedRun(row.summary, row.stages)


def count_runs(engine: Engine, tables: Tables) -> int:
    """How many runs the ledger holds, of any flow."""
    with engine.connect() as connection:
        found = connection.scalar(select(func.count()).select_from(tables.pipeline_runs))
    return int(found or 0)


def next_listing(engine: Engine, tables: Tables) -> Listing:
    """Take a place in the order of listings; call it just before the logs are listed."""
    number = select(tables.listings.next_value(), func.clock_timestamp())
    with engine.begin() as connection:
        listing = Listing(*connection.execute(number).one())
        # Where the ledger was restored without the sequence, that starts below the ledger's runs,
        # and all listings to come would count as earlier ones.
        latest = connection.scalar(select(func.max(tables.pipeline_runs.c.listing))) or 0
        while listing.number <= latest:
            listing = Listing(*connection.execute(number).one())
        return listing
