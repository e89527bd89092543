"""Transactions in an environment's database: their settings, and the faults that they survive."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import psycopg2
from sqlalchemy import ColumnElement, Connection, Engine, func, literal_column, select, text
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
            WarehouseError: Another session held a lock for longer than `lock_timeout`.
        """
        for attempt in Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=1, max=20),
            before_sleep=self._tell,
            sleep=pause,
            reraise=True,
        ):
            with attempt:
                return self._transaction(work)
        raise AssertionError("tenacity gives at least one attempt")

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.engine.begin() as connection:
                driver = connection.connection.dbapi_connection
                assert driver is not None
                with interrupted_by_stop(partial(cut, driver)):
                    set_up(connection, self.lock_timeout)
                    return work(connection)
        except (DBAPIError, psycopg2.Error) as error:
            check_stop()  # then the flow's end has cut the connection
            if sqlstate(error) == _LOCK_NOT_AVAILABLE:
                raise WarehouseError(self._blocked()) from None
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
        WarehouseError: There is no schema.
    """
    if schema:
        return Warehouse(engine, Tables(schema), lock_timeout, notice)
    current = select(func.current_schema())
    # A run's first contact with the database: wrong settings should show soon.
    found: str | None = Warehouse(engine, Tables(""), lock_timeout, notice).transaction(
        lambda connection: connection.scalar(current), attempts=3
    )
    if found is None:
        raise WarehouseError(
            "The database connection has no schema for tables: register DATABASE_SCHEMA, or set "
            "the search_path of the database role to an existing schema."
        )
    return Warehouse(engine, Tables(found), lock_timeout, notice)


def set_up(connection: Connection, lock_timeout: int) -> None:
    """Settings of this transaction only: poolers share connections, and refuse start-up options."""
    local: ColumnElement[bool] = literal_column("true")
    connection.execute(
        select(
            func.set_config("TimeZone", "UTC", local),
            func.set_config("DateStyle", "ISO", local),
            func.set_config("lock_timeout", f"{lock_timeout}s", local),
            # While a range of users is counted, the connection has nothing to do.
            func.set_config("idle_in_transaction_session_timeout", "0", local),
            # If the worker's machine vanishes, its locks are released soon.
            func.set_config("tcp_keepalives_idle", "60", local),
        )
    )
    connection.execute(text(read_sql("flows.warehouse.sql", "enable_connection_check")))
