"""Connections to an environment's database, and its errors as sentences."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import psycopg2
from psycopg2.extensions import connection as Connection
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from flows.errors import WarehouseError, original_forgotten

_REMEDIES = (
    # psycopg2 gives a failed connection no code, only libpq's words.
    ("password authentication failed", "refuses the user or password: register the right ones"),
    ("not permitted to log in", "refuses the user ({words}): allow it, or use another role"),
    ("no password supplied", "asks for a password: put one into DATABASE_URL"),
    # Before the next one, because a root certificate can be a file that does not exist.
    ("certificate", "cannot agree on TLS ({words}): see sslmode in DATABASE_URL"),
    ("does not exist", "is not as DATABASE_URL says ({words}): correct it, or create what is missing"),
    ("pg_hba.conf", "refuses connections from this machine: see its pg_hba.conf"),
    ("SSL", "cannot agree on TLS ({words}): see sslmode in DATABASE_URL"),
    ("invalid", "is not as DATABASE_URL says ({words}): correct it"),
    ("too many", "has no connection left: wait, or raise its limit"),
)
_UNREACHABLE = "does not answer: start it, or correct the host and port in DATABASE_URL"


@contextmanager
def connected(url: str) -> Iterator[Engine]:
    """An engine for a `postgresql://` URL, whose errors are `WarehouseError`s without secrets.

    The URL's own parameters (`sslmode`, `sslrootcert`, `connect_timeout`, `options`, …) count.

    Raises:
        WarehouseError: The database is down, refuses the user, or refuses a statement.
    """
    address = make_url(url).set(drivername="postgresql+psycopg2")
    del url  # tools that print the locals of a traceback would print its password
    # A connection is idle while a range of users is counted: keepalives stop gateways from dropping it.
    ours: dict[str, object] = {"connect_timeout": 10, "keepalives_idle": 60, "application_name": "user_page_views"}
    engine = create_engine(
        address,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            **{name: value for name, value in ours.items() if name not in address.query},
            "client_encoding": "utf8",
        },
    )
    where = f"{engine.url.host or 'local socket'}:{engine.url.port or 5432}/{engine.url.database}"
    try:
        with original_forgotten():
            try:
                yield engine
            except DBAPIError as error:
                raise WarehouseError(_sentence(where, error.orig)) from None
            except psycopg2.Error as error:
                raise WarehouseError(_sentence(where, error)) from None
    finally:
        engine.dispose()


def cut(driver: DBAPIConnection) -> None:
    """End a connection at once, with everything that waits for it, even if its server does not answer.

    Cancelling a statement needs another connection, which the server may refuse. The server notices by itself within
    two seconds (`enable_connection_check.sql`).
    """
    with suppress(psycopg2.Error, OSError), socket.socket(fileno=os.dup(cast(Connection, driver).fileno())) as shared:
        shared.shutdown(socket.SHUT_RDWR)


def sqlstate(error: BaseException | None) -> str:
    """PostgreSQL's code of an error; empty if the error is not PostgreSQL's."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return (isinstance(original, psycopg2.Error) and original.pgcode) or ""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed a little later.

    That is so if the connection broke or the server was not there (class 08, 57P01 to 57P03, and libpq's messages
    without a code), if all connections were taken (53300), and if another transaction came first (40001 and 40P01;
    42P06 and 42P07 if it created what did not exist yet in the snapshot of this one).
    """
    original = error.orig if isinstance(error, DBAPIError) else error
    code, words = sqlstate(original), str(original)
    if code:
        return code.startswith("08") or code in _TRANSIENT
    if not isinstance(original, psycopg2.OperationalError | psycopg2.InterfaceError):
        return False
    if "the database system is" in words or "too many" in words:
        return True
    if "SSL SYSCALL" in words or "closed" in words:
        return True
    return "FATAL:" not in words and not any(part in words for part, _ in _REMEDIES)


_TRANSIENT = {"40001", "40P01", "42P06", "42P07", "53300", "57P01", "57P02", "57P03"}


def _sentence(where: str, error: BaseException | None) -> str:
    """What the database said: its first line alone, since DETAIL may quote a row."""
    words = str(error).strip().partition("\n")[0]
    if isinstance(error, psycopg2.Error) and error.pgcode:
        return (
            f"The database {where} refused the work: {words} (SQLSTATE {error.pgcode}). Nothing "
            "of this run was published: fix what it names, and run the same id again."
        )
    said = words.rpartition("FATAL:")[2].strip()
    for part, remedy in _REMEDIES:
        if part in words:
            return f"The database {where} {remedy.format(words=said)}."
    if "FATAL:" in words:
        return f"The database {where} refuses the connection: {said}. Nothing was published."
    return f"The database {where} {_UNREACHABLE}. Nothing of this run was published."
