"""Why the database refuses a connection, by SQLSTATE: psycopg2 gives only words, in the server's language."""

import ssl
from contextlib import suppress
from urllib.parse import urlencode

import asyncpg
from psycopg2.extensions import parse_dsn
from pydantic import SecretStr

ANY_METHOD = "none,password,md5,scram-sha-256,gss,sspi"
_SOCKET_FOLDER = "/var/run/postgresql"  # libpq's default
_UNDERSTOOD = (
    *("host", "port", "user", "dbname", "options", "target_session_attrs", "krbsrvname", "gsslib", "sslmode"),
    *("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
UNREACHABLE, NO_TLS, CLOSED, UNKNOWN = "08001", "08004", "08003", "08006"
BAD_TLS, BAD_URL, NO_PASSWORD = "TLS", "URL", "password"


async def reason_of(address: SecretStr) -> str:
    """The SQLSTATE with which a database refuses a connection, or a reason of ours; of class 08 if it may pass.

    asyncpg, which gives codes, tries the address (libpq's parameters) once, only to learn why.
    """
    asked = parse_dsn(address.get_secret_value())
    # asyncpg does not check these: it must give no password to a server that libpq might not trust.
    distrusted = asked["require_auth"] != ANY_METHOD or asked["requirepeer"] or asked["sslcrldir"]
    distrusted = distrusted or "require" in (asked["channel_binding"], asked["gssencmode"])
    hosts = [host or _SOCKET_FOLDER for host in (asked["hostaddr"] or asked["host"]).split(",")]
    unix = all(host[0] == "/" for host in hosts)
    mode = "disable" if unix else asked["sslmode"]  # as libpq does
    ports = [port or "5432" for port in asked["port"].split(",")]
    asked |= {"host": ",".join(hosts), "port": ",".join(ports), "sslmode": mode, "gsslib": "gssapi"}
    url = f"postgresql://?{urlencode({name: asked[name] for name in _UNDERSTOOD if asked.get(name)})}"
    context = ssl.create_default_context() if asked["sslrootcert"] == "system" else None
    try:
        password = "" if distrusted else asked["password"]
        with suppress(asyncpg.TargetServerAttributeNotMatched):
            (await asyncpg.connect(url, password=password, ssl=context, timeout=5)).terminate()
    except asyncpg.InvalidPasswordError:
        return "28000" if distrusted else "28P01" if asked["password"] else NO_PASSWORD
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    except ssl.SSLError:
        return BAD_TLS
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError, OverflowError):
        return BAD_URL
    except OSError as error:
        # asyncpg raises these two itself if the server closes or has no TLS, or a file of a certificate is missing.
        if unix or type(error) not in (ConnectionError, FileNotFoundError):
            return UNREACHABLE
        return NO_TLS if mode in ("require", "verify-ca", "verify-full") else UNKNOWN
    return UNKNOWN
