"""Rows copied into a table that is made in an open transaction, while they are still counted.

At a first load PostgreSQL takes about as long to take the rows in as the service to count them. So
the transaction that will publish them begins with the counting. Nobody sees anything of it before
its commit, and where it comes to nothing, the rows are copied again from where they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from queue import Full, Queue
from threading import Event
from typing import TypeVar

import psycopg2
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from flows.stopping import interrupted_by_stop
from flows.warehouse.connect import cut
from flows.warehouse.copy import copy_stream, cursor_of, identifier_of
from flows.warehouse.ledger import try_lock_environment
from flows.warehouse.replace import create_without_key
from flows.warehouse.stream import made_ahead
from flows.warehouse.trust import Found, find_rows
from flows.warehouse.views_stream import Rows, encoded
from flows.warehouse.warehouse import Warehouse, set_up

T = TypeVar("T")
_AHEAD = 4
_LOOK_SECONDS = 0.5


class NotPreloaded(Exception):
    """The transaction has come to nothing: nothing of it is left."""


class Preload:
    """A transaction that has made `user_page_views` and takes in its rows.

    Attributes:
        connection: In the transaction.
        found: What the tables held before.
        rows: How many rows the new one holds, once all are copied.
    """

    def __init__(self, warehouse: Warehouse, connection: Connection) -> None:
        self.connection, self.rows = connection, 0
        self.found: Found = {}
        self._warehouse = warehouse
        driver = connection.connection.dbapi_connection
        assert driver is not None
        self._driver = driver
        self._queue = Queue[Rows | None](_AHEAD)
        self._left = Event()
        self._pool = ThreadPoolExecutor(1)
        self._copied: Future[int]

    @classmethod
    def start(cls, warehouse: Warehouse, urls: Path, latest: Path) -> Preload | None:
        """Begin; None where there is a table, or another run is at work on it.

        What the database refuses is met again, and told, when the rows are published without this.

        Args:
            warehouse: The environment's database.
            urls, latest: As in `ViewFiles`; kept until the end.
        """
        try:
            connection = warehouse.engine.connect()
        except DBAPIError:
            return None
        preload = cls(warehouse, connection)
        with suppress(DBAPIError):
            if preload._created():
                job = copy_context()
                preload._copied = preload._pool.submit(job.run, preload._copy, urls, latest)
                return preload
        preload._pool.shutdown()
        connection.close()
        return None

    def _created(self) -> bool:
        connection, tables = self.connection, self._warehouse.tables
        table = tables.user_page_views
        set_up(connection, self._warehouse.lock_timeout)
        if not try_lock_environment(connection, tables):
            return False
        if inspect(connection).has_table(table.name, schema=table.schema):
            return False
        self.found = find_rows(connection, tables)
        create_without_key(connection, table)
        return True

    def _copy(self, urls: Path, latest: Path) -> int:
        table = self._warehouse.tables.user_page_views
        names = [column.name for column in table.columns]
        with interrupted_by_stop(self._interrupt):
            rows = made_ahead(encoded(self._chunks(), urls, latest))
            cursor = cursor_of(self.connection)
            return copy_stream(cursor, identifier_of(table), names, "binary", rows)

    def _chunks(self) -> Iterator[Rows]:
        while True:
            rows = self._queue.get()
            if self._left.is_set():
                raise NotPreloaded
            if rows is None:
                return
            yield rows

    def _interrupt(self) -> None:
        self._leave()
        cut(self._driver)

    def _leave(self) -> None:
        self._left.set()
        # Where there is no room, nobody waits for it.
        with suppress(Full):
            self._queue.put_nowait(None)

    def add(self, rows: Rows | None) -> None:
        """Hand over rows, or None at their end; wait until there is room for them."""
        while not self._copied.done():
            with suppress(Full):
                self._queue.put(rows, timeout=_LOOK_SECONDS)
                return

    def wait(self) -> None:
        """Wait until all rows are copied."""
        self.rows = self._copied.result()

    def publish(self, work: Callable[[Preload], T]) -> T:
        """Wait for the rows, do the rest of the work in the transaction, and commit.

        Raises:
            NotPreloaded: The database has refused something, or `work` has raised this.
        """
        self.add(None)
        try:
            self.wait()
            with interrupted_by_stop(partial(cut, self._driver)):
                done = work(self)
                self.connection.commit()
        except (DBAPIError, psycopg2.Error):
            raise NotPreloaded from None
        return done

    def close(self) -> None:
        """End; what is not committed is gone. Who has ended it may do so again."""
        if self.connection.closed:
            return
        self._leave()
        self._pool.shutdown()
        # To end the transaction of a connection that broke fails, and SQLAlchemy gives it up.
        with suppress(DBAPIError):
            self.connection.rollback()
        self.connection.close()
