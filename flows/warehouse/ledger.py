"""The ledger, `pipeline_runs`: an id is published if, and only if, it has a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql
from sqlalchemy import ColumnElement, Connection, Select, func, inspect, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.schema import CreateSchema

from flows.errors import WarehouseError
from flows.warehouse.copy import cursor_of, identifier_of
from flows.warehouse.shape import check_shape
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import LOCK_CLASS, Warehouse


@dataclass(frozen=True)
class PublishedRun:
    """A row of the ledger.

    Attributes:
        listing: The place of its listing in the order of listings.
        summary: What the run returned.
        stages: Each stage's result.
        transaction: The transaction that wrote the row.
    """

    listing: int
    summary: dict[str, Any]
    stages: dict[str, Any]
    transaction: int


@dataclass(frozen=True)
class Listing:
    """A place in the order of listings: its number, and the database's clock for people."""

    number: int
    at: datetime


def lock_environment(connection: Connection, tables: Tables) -> None:
    """Lock this schema's tables against other runs until the transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(LOCK_CLASS, _lock_key(tables))))


def _lock_key(tables: Tables) -> ColumnElement[int]:
    key: ColumnElement[int] = func.hashtext(func.pg_catalog.concat(func.current_database(), "/", tables.schema))
    return key


def prepare(warehouse: Warehouse) -> None:
    """Create the schema, the ledger and the table of rejects if they are missing.

    If none of them is missing, no privilege to create is needed.

    Raises:
        WarehouseError: An existing table has another shape.
    """
    tables = warehouse.tables

    def work(connection: Connection) -> None:
        lock_environment(connection, tables)
        if not inspect(connection).has_schema(tables.schema):
            connection.execute(CreateSchema(tables.schema))
        wanted = [tables.pipeline_runs, tables.rejected_records]
        tables.metadata.create_all(connection, tables=wanted)
        if not _names_environments(connection, tables):
            add = sql.SQL("ALTER TABLE {} ADD COLUMN environment text")
            cursor_of(connection).execute(add.format(identifier_of(tables.pipeline_runs)))
        for table in wanted:
            check_shape(connection, table)

    warehouse.transaction(work)


def _names_environments(connection: Connection, tables: Tables) -> bool:
    """Whether the ledger has the column `environment`, which those of older versions lack."""
    columns = inspect(connection).get_columns(tables.pipeline_runs.name, schema=tables.schema)
    return "environment" in [column["name"] for column in columns]


def check_owner(connection: Connection, tables: Tables, environment: str) -> None:
    """Raise if another environment has published to the schema.

    Raises:
        WarehouseError: Names both, and says how to hand the schema over.
    """
    runs = tables.pipeline_runs
    owner = connection.scalar(select(runs.c.environment).where(runs.c.environment != environment).limit(1))
    if owner is not None:
        hand_over = sql.SQL("UPDATE {} SET environment = {}").format(identifier_of(runs), sql.Literal(environment))
        raise WarehouseError(
            f"The environment {environment!r} cannot use the schema {tables.schema!r}: the environment {owner!r} has "
            f"published to it. Nothing was changed: register another DATABASE_SCHEMA for {environment!r}. Or hand the "
            f"schema over, with its tables and published ids: {hand_over.as_string(cursor_of(connection))}"
        )


def find_run(warehouse: Warehouse, flow: str, id: str, environment: str | None = None) -> PublishedRun | None:
    """The published run of this id; None also if there is no ledger yet.

    Args:
        environment: If given, another environment must not have published to the schema (a `WarehouseError`).
    """
    tables = warehouse.tables
    runs = tables.pipeline_runs

    def work(connection: Connection) -> PublishedRun | None:
        if not inspect(connection).has_table(runs.name, schema=runs.schema):
            return None
        if _names_environments(connection, tables):
            check_shape(connection, runs)
            if environment is not None:
                check_owner(connection, tables, environment)
        return read_run(connection, tables, flow, id)

    # A run's first contact with the database: wrong settings should show soon.
    return warehouse.transaction(work, attempts=3)


def read_run(connection: Connection, tables: Tables, flow: str, id: str) -> PublishedRun | None:
    """As `find_run`, within a transaction."""
    row = connection.execute(_published(tables, flow).where(tables.pipeline_runs.c.id == id)).first()
    return None if row is None else PublishedRun(*row)


def find_latest(warehouse: Warehouse, flow: str) -> PublishedRun | None:
    """The run that published the table: of those not overtaken, the one that listed last."""
    return warehouse.transaction(lambda connection: read_latest(connection, warehouse.tables, flow))


def read_latest(connection: Connection, tables: Tables, flow: str) -> PublishedRun | None:
    """As `find_latest`, within a transaction."""
    runs = tables.pipeline_runs
    newest = _published(tables, flow).where(runs.c.overtaken.is_(False)).order_by(runs.c.listing.desc()).limit(1)
    row = connection.execute(newest).first()
    return None if row is None else PublishedRun(*row)


def _published(tables: Tables, flow: str) -> Select[Any]:
    runs = tables.pipeline_runs
    transaction: ColumnElement[int] = literal_column("xmin::text::bigint")
    columns = (runs.c.listing, runs.c.summary, runs.c.stages, transaction)
    return select(*columns).where(runs.c.flow == flow)


def insert_run(connection: Connection, tables: Tables, run: Mapping[str, Any]) -> None:
    """Insert the row of a run, or update it (a refresh). Rows of older versions become this environment's."""
    runs = tables.pipeline_runs
    connection.execute(update(runs).where(runs.c.environment.is_(None)).values(environment=run["environment"]))
    keys = ("flow", "id")
    statement = insert(runs).values(run)
    values = {name: value for name, value in run.items() if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


def next_listing(warehouse: Warehouse) -> Listing:
    """Take a place in the order of listings; call it just before the logs are listed."""
    tables = warehouse.tables
    newest = select(func.max(tables.pipeline_runs.c.listing))

    def work(connection: Connection) -> Listing:
        sequence = sql.Identifier(tables.schema, tables.listings.name).as_string(cursor_of(connection))
        number = select(func.pg_catalog.nextval(sequence), func.clock_timestamp())
        listing = Listing(*connection.execute(number).one())
        # If the ledger was restored without its sequence, the sequence starts below the ledger's
        # runs, and later listings would count as earlier ones.
        latest = connection.scalar(newest) or 0
        while listing.number <= latest:
            listing = Listing(*connection.execute(number).one())
        return listing

    return warehouse.transaction(work)
