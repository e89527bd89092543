"""Connections to an environment's database, and its errors as sentences."""

import asyncio
import os
import pwd
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import cast
from urllib.parse import quote, unquote

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import make_dsn, parse_dsn
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from flows.errors import WarehouseError, original_forgotten
from flows.warehouse.refusals import ANY_METHOD, BAD_TLS, BAD_URL, CLOSED, NO_PASSWORD, NO_TLS, UNREACHABLE, reason_of

# What DATABASE_URL does not say, libpq would take from the process's PG… variables.
_DEFAULTS = parse_dsn(
    "host='' hostaddr='' port='' dbname='' password='' passfile='' options='' application_name=user_page_views "
    "sslmode=prefer sslnegotiation=postgres sslcertmode=allow sslsni=1 sslcompression=0 sslrootcert='' sslcert='' "
    "sslkey='' sslcrl='' sslcrldir='' ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.3 "
    "channel_binding=prefer gssencmode=prefer gssdelegation=0 gsslib='' krbsrvname=postgres requirepeer='' "
    f"require_auth={ANY_METHOD} target_session_attrs=any load_balance_hosts=disable connect_timeout=10 "
    # A connection is idle while a range of users is counted: keepalives stop gateways from dropping it.
    "keepalives_idle=60 client_encoding=utf8"
)
_TRANSIENT = {"40001", "40P01", "53300", "57P01", "57P02", "57P03"}
_REMEDIES = {
    "28P01": "refuses the user or password: register the right ones",
    NO_PASSWORD: "asks for a password: put one into DATABASE_URL",
    "28000": "refuses this user or machine: correct DATABASE_URL, or allow them there (the role, pg_hba.conf)",
    "3D000": "is not as DATABASE_URL says: correct it, or create what is missing",
    "53300": "has no connection left: wait, or raise its limit",
    UNREACHABLE: "does not answer: start it, or correct the host and port in DATABASE_URL",
    **dict.fromkeys((NO_TLS, BAD_TLS), "cannot agree on TLS: see sslmode in DATABASE_URL"),
    BAD_URL: "is not as DATABASE_URL says: correct it",
}


class CannotConnect(WarehouseError):
    """The database accepts no connection now, but it may accept one a little later."""


@contextmanager
def connected(url: str) -> Iterator[Engine]:
    """An engine for a `postgresql://` URL, whose errors are `WarehouseError`s without secrets.

    All of libpq's URLs and parameters count, and what they leave out is as in `_DEFAULTS`, or in libpq's files in the
    home folder (`~/.pgpass`, `~/.postgresql/root.crt`); the process's environment variables do not.

    Raises:
        WarehouseError: The URL is malformed; the database is down, refuses the user, or refuses a statement.
    """
    found = _read(url)
    del url  # tools that print the locals of a traceback would print its password
    if found is None:
        raise WarehouseError(
            "DATABASE_URL is malformed: register one such as postgresql://USER:PASSWORD@HOST:5432/DATABASE, with "
            "parameters as libpq spells them, and special characters percent-encoded (%2F for a slash)."
        )
    where, address = found
    engine = create_engine(
        "postgresql+psycopg2://", creator=lambda: _connect(where, address), poolclass=NullPool, hide_parameters=True
    )
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

    That is so if the connection broke or the server was not there (class 08, 57P01 to 57P03), if all connections were
    taken (53300), and if another transaction came first (40001 and 40P01).
    """
    original = error.orig if isinstance(error, DBAPIError) else error
    if code := sqlstate(original):
        return _is_transient(code)
    # Of a connection that exists, psycopg2 raises these two without a code only if it is broken.
    return isinstance(original, CannotConnect | psycopg2.OperationalError | psycopg2.InterfaceError)


def _is_transient(code: str) -> bool:
    return code.startswith("08") or code in _TRANSIENT


def _read(url: str) -> tuple[str, SecretStr] | None:
    """Where the database is, for people, and libpq's parameters; None if the URL is malformed."""
    url = url.replace("postgresql+psycopg2://", "postgresql://", 1)
    # Earlier versions accepted passwords that were not percent-encoded.
    encoded = r"(?<=://)([^:/?@]*:)((?!\d*/)[^@]*)(?=@)"
    url = re.sub(encoded, lambda raw: raw[1] + quote(unquote(raw[2]), safe=""), url, count=1)
    try:
        given = parse_dsn(url)
        if "user" not in given:
            given["user"] = pwd.getpwuid(os.geteuid()).pw_name
    except (psycopg2.ProgrammingError, KeyError):  # libpq's words may quote the password
        return None
    if given.get("sslrootcert") == "system":
        given.setdefault("sslmode", "verify-full")  # as libpq does
    asked = {**_DEFAULTS, **given, "client_encoding": "utf8"}
    where = f"{asked['hostaddr'] or asked['host'] or 'local socket'}:{asked['port'] or 5432}/{asked['dbname']}"
    # An @ or a port of letters is part of a password that is not percent-encoded.
    if not re.match("postgres(ql)?://", url) or "@" in where or not re.fullmatch("[0-9,]*", asked["port"]):
        return None
    return where, SecretStr(make_dsn(**asked))


def _connect(where: str, address: SecretStr) -> Connection:
    try:
        connection = psycopg2.connect(address.get_secret_value())
        # Text would compare in another order, and some could not be stored.
        if (encoding := connection.get_parameter_status("server_encoding")) in ("UTF8", None):
            return connection
        raise WarehouseError(f"The database {where} has the encoding {encoding}: publish to one with ENCODING 'UTF8'.")
    except psycopg2.OperationalError as error:
        words = str(error)
    except UnicodeDecodeError as error:
        words = error.object.decode(errors="replace")
    with ThreadPoolExecutor(1) as pool:  # this thread may have an event loop already
        code = pool.submit(asyncio.run, reason_of(address)).result()
    if code == CLOSED and "\ufffd" in words:
        code = ""  # asyncpg takes words that are not UTF-8 for a broken connection
    said = "; ".join(filter(None, dict.fromkeys(map(str.strip, words.splitlines()))))
    remedy = _REMEDIES.get(code, "refuses the connection: correct DATABASE_URL, or the server")
    raise (CannotConnect if _is_transient(code) else WarehouseError)(f"The database {where} {remedy} ({said}).")


def _sentence(where: str, error: BaseException | None) -> str:
    """What the database said: its first line alone, since DETAIL may quote a row."""
    words, code = str(error).strip().partition("\n")[0], sqlstate(error)
    if error is not None and not code and is_transient(error):
        return f"The database {where} {_REMEDIES[UNREACHABLE]} ({words}). Nothing of this run was published."
    return (
        f"The database {where} refused the work: {words} (SQLSTATE {code or 'unknown'}). Nothing "
        "of this run was published: fix what it names, and run the same id again."
    )
