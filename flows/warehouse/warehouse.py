"""Transactions in an environment's database: their settings, and the faults that they survive."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import psycopg2
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from flows.duck import read_sql
from flows.errors import WarehouseError
from flows.stopping import check_stop, interrupted_by_stop, pause
from flows.warehouse.connect import cut, is_transient, sqlstate
from flows.warehouse.tables import Tables

T = TypeVar("T")
LOCK_CLASS = 0x75_70_76_31  # "upv1": keeps our advisory locks apart from others'
_LOCK_NOT_AVAILABLE = "55P03"
_REMEDIES = {
    # What an operator has set, perhaps on purpose: it is not overridden.
    "25006": "The database lets this run only read: DATABASE_URL leads to a replica, or default_transaction_read_only "
    "is on for the role or the database. Name the primary server, or switch the setting off",
    "57014": "The database cancelled a statement: somebody asked for it, or it took longer than statement_timeout. "
    "Raise this setting: ALTER ROLE … SET statement_timeout = 0",
}


@dataclass(frozen=True)
class Warehouse:
    """An environment's database and tables.

    Attributes:
        engine: Connections to it.
        tables: The tables, in their schema.
        lock_timeout: Seconds to wait for a lock that another session holds (0: forever).
        notice: Reports a fault after which the work is tried again.
    """

    engine: Engine
    tables: Tables
    lock_timeout: int = 600
    notice: Callable[[str], object] = logging.getLogger("flows.warehouse").warning

    def transaction(self, work: Callable[[Connection], T], *, attempts: int = 7) -> T:
        """Do the work in a transaction of its own; all of it or nothing.

        It is tried again, for up to about a minute, if the connection breaks, the server restarts, or the database
        aborts it in favour of another transaction. A connection can break after the commit, so the work must be
        idempotent.

        Args:
            work: What to do; it may be called several times.
            attempts: The maximum number of tries.

        Raises:
            WarehouseError: Another session held a lock for longer than `lock_timeout`, or the database's own settings
                do not allow the work.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=1, max=20),
            before_sleep=self._tell,
            sleep=pause,
            reraise=True,
        )
        return retrying.wraps(self._transaction)(work)

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.engine.begin() as connection:
                driver = connection.connection.dbapi_connection
                assert driver is not None
                with interrupted_by_stop(partial(cut, driver)):
                    set_up(connection, self.lock_timeout)
                    if self.tables.schema:  # otherwise, the connection's own schema is looked up
                        connection.execute(text(read_sql("flows.warehouse.sql", "pin_search_path")))
                    return work(connection)
        except (DBAPIError, psycopg2.Error) as error:
            check_stop()  # then the flow's end has cut the connection
            code = sqlstate(error)
            if code == _LOCK_NOT_AVAILABLE:
                raise WarehouseError(self._blocked()) from None
            if code in _REMEDIES:
                remedy = f"{_REMEDIES[code]} (SQLSTATE {code})."
                raise WarehouseError(f"{remedy} Nothing of this run was published: run the same id again.") from None
            raise

    def _tell(self, state: RetryCallState) -> None:
        seconds = 0 if state.next_action is None else state.next_action.sleep
        error = None if state.outcome is None else state.outcome.exception()
        code = sqlstate(error)
        reason = f"SQLSTATE {code}" if code else "no connection"
        self.notice(f"The database interrupted the work ({reason}): try {state.attempt_number + 1} in {seconds:.0f} s.")

    def _blocked(self) -> str:
        with self.engine.connect() as connection:
            holders = connection.execute(
                text(read_sql("flows.warehouse.sql", "find_lock_holders")),
                {"schema": self.tables.schema, "class": LOCK_CLASS},
            ).all()
        named = "; ".join(
            f"pid {pid} (user {user or 'unknown'}, application {application or 'unknown'}, since "
            f"{since or 'an unknown time'})"
            for pid, user, application, since in holders
        )
        return (
            f"Other sessions hold locks on the tables for longer than lock_timeout allows "
            f"({self.lock_timeout} s): {named or 'they have just ended'}. Nothing of this run was "
            "published: wait for them or end them, and run the same id again."
        )


def open_warehouse(engine: Engine, schema: str | None, lock_timeout: int, notice: Callable[[str], object]) -> Warehouse:
    """The warehouse in a schema or, if none is named, in the connection's `current_schema()`.

    Raises:
        WarehouseError: There is no schema, or it is PostgreSQL's own.
    """
    if schema:
        return Warehouse(engine, Tables(schema), lock_timeout, notice)
    current = select(func.pg_catalog.current_schema())
    # A run's first contact with the database: wrong settings should show soon.
    found: str | None = Warehouse(engine, Tables(""), lock_timeout, notice).transaction(
        lambda connection: connection.scalar(current), attempts=3
    )
    if found is None or found.startswith("pg_"):
        raise WarehouseError(
            f"The database connection has no schema for tables (current_schema: {found}): register DATABASE_SCHEMA, or "
            "let the search_path of the database role begin with an existing schema."
        )
    return Warehouse(engine, Tables(found), lock_timeout, notice)


def set_up(connection: Connection, lock_timeout: int) -> None:
    """Settings of this transaction only: poolers share connections, and refuse start-up options."""
    connection.execute(text(read_sql("flows.warehouse.sql", "set_up")), {"lock_timeout": f"{lock_timeout}s"})
    connection.execute(text(read_sql("flows.warehouse.sql", "enable_connection_check")))
