"""Transactions at an environment's database: what they need, and which faults they outlast."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import psycopg2
from sqlalchemy import ColumnElement, Connection, Engine, func, literal_column, select, text
from sqlalchemy.exc import DBAPIError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

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
        lock_timeout: Seconds to wait for a lock that another session holds (0: for ever).
        notice: Tells of faults that are outlasted.
    """

    engine: Engine
    tables: Tables
    lock_timeout: int = 600
    notice: Callable[[str], object] = logging.getLogger("flows.warehouse").warning

    def transaction(self, work: Callable[[Connection], T], *, attempts: int = 7) -> T:
        """Do the work in a transaction of its own; all of it or nothing.

        It is done again, up to about a minute long, where the connection broke, the server
        restarted, or the database preferred another transaction. A connection can break after the
        commit: so the work must be such that doing it twice is doing it once.

        Args:
            work: What to do; it may be called several times.
            attempts: How often to try at most.

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
            check_stop()  # then it is the flow's end that has cut the connection
            if sqlstate(error) == _LOCK_NOT_AVAILABLE:
                raise WarehouseError(self._blocked()) from None
            raise

    def _tell(self, state: RetryCallState) -> None:
        seconds = 0 if state.next_action is None else state.next_action.sleep
        error = None if state.outcome is None else state.outcome.exception()
        code = sqlstate(error)
        self.notice(
            f"The database broke off the work ({f'SQLSTATE {code}' if code else 'no connection'}): "
            f"try {state.attempt_number + 1} in {seconds:.0f} s."
        )

    def _blocked(self) -> str:
        with self.engine.connect() as connection:
            holders = connection.execute(
                _HOLDERS, {"schema": self.tables.metadata.schema, "class": LOCK_CLASS}
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


# All that holds more than a reader's lock on a table of the schema, or our own advisory lock.
_HOLDERS = text(
    "SELECT DISTINCT pid, usename, application_name, date_trunc('second', xact_start)::text"
    " FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " LEFT JOIN pg_class ON pg_class.oid = relation"
    " WHERE granted AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (locktype = 'advisory' AND classid = :class"
    " OR relkind = 'r' AND mode <> 'AccessShareLock'"
    " AND relnamespace::regnamespace::text"
    " = quote_ident(coalesce(:schema, current_schema()::text)))"
    " ORDER BY pid"
)


def set_up(connection: Connection, lock_timeout: int) -> None:
    """Settings of this transaction alone: poolers hand connections on, and refuse start options."""
    local: ColumnElement[bool] = literal_column("true")
    connection.execute(
        select(
            func.set_config("TimeZone", "UTC", local),
            func.set_config("DateStyle", "ISO", local),
            func.set_config("lock_timeout", f"{lock_timeout}s", local),
        )
    )
    # From PostgreSQL 14: the server notices in the middle of a statement that the run is gone, and
    # ends its transaction, locks and all.
    connection.execute(
        text(
            "SELECT set_config(name, '2s', true) FROM pg_settings"
            " WHERE name = 'client_connection_check_interval' AND version() LIKE '%linux%'"
        )
    )
