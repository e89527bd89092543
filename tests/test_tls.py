"""TLS to the database is used as DATABASE_URL requests it, and never weakened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2.extensions
import pytest
from sqlalchemy import make_url, text

from blocks.load import load_environment
from flows.errors import WarehouseError
from flows.user_page_views import user_page_views
from flows.warehouse.connect import connected
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse
from tests.support.documents import plant
from tests.support.model import model
from tests.support.pg_tls import Authority, Front, front
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, fill

PASSWORD = "pass/word:of@the front"
ASKS_FOR_TLS = ("require", "verify-ca", "verify-full")


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("right"), "right")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("wrong"), "wrong")


@pytest.fixture(scope="module")
def folder(postgres_url: str) -> str:
    """The folder of the database's Unix socket."""
    found = make_url(postgres_url).query["host"]
    assert isinstance(found, str)
    return found


def url_of(told: Front, mode: str | None, root: Path | None = None, host: str = "localhost") -> str:
    options = [f"sslmode={mode}"] if mode else []
    options += [f"sslrootcert={quote(str(root))}"] if root else []
    password = quote(PASSWORD, safe="")
    return f"postgresql://postgres:{password}@{host}:{told.port}/postgres?{'&'.join(options)}"


def ask(url: str) -> int:
    """The answer to a query, over the product's own connection."""
    with connected(url) as engine, engine.connect() as connection:
        found: int = connection.execute(text("SELECT 42")).scalar_one()
        return found


@pytest.mark.parametrize("mode", ASKS_FOR_TLS)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_connection_that_requests_tls_uses_it(right: Authority, folder: str, mode: str, host: str) -> None:
    with front(folder, right.server("localhost", "127.0.0.1")) as told:
        root = None if mode == "require" else right.root
        assert ask(url_of(told, mode, root, host)) == 42
    assert told.encrypted == ["TLSv1.3"]
    assert told.in_clear == []
    assert told.passwords == [PASSWORD]


def refused(url: str) -> str:
    with pytest.raises(WarehouseError) as error:
        ask(url)
    sentence = str(error.value)
    assert "cannot agree on TLS" in sentence
    assert "see sslmode in DATABASE_URL" in sentence
    assert "\n" not in sentence
    for form in (PASSWORD, quote(PASSWORD, safe="")):
        assert form not in sentence + repr(error.value)
    return sentence


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_server_signed_by_another_authority_is_given_no_password(
    right: Authority, wrong: Authority, folder: str, mode: str
) -> None:
    with front(folder, wrong.server("localhost")) as told:
        assert "certificate verify failed" in refused(url_of(told, mode, right.root))
    assert (told.encrypted, told.in_clear, told.passwords) == ([], [], [])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_server_with_another_name_is_given_no_password(right: Authority, folder: str, host: str) -> None:
    with front(folder, right.server("db.example.com")) as told:
        sentence = refused(url_of(told, "verify-full", right.root, host))
        assert "db.example.com" in sentence
        assert f'"{host}"' in sentence
    assert (told.encrypted, told.in_clear, told.passwords) == ([], [], [])


def test_a_missing_root_certificate_is_named_and_no_password_is_given(
    right: Authority, folder: str, tmp_path: Path
) -> None:
    with front(folder, right.server("localhost")) as told:
        missing = tmp_path / "none.pem"
        assert str(missing) in refused(url_of(told, "verify-full", missing))
    assert (told.encrypted, told.in_clear, told.passwords) == ([], [], [])


@pytest.mark.parametrize("mode", ASKS_FOR_TLS)
def test_a_server_without_tls_is_refused_without_a_fallback(right: Authority, folder: str, mode: str) -> None:
    with front(folder, None) as told:
        refused(url_of(told, mode, None if mode == "require" else right.root))
    assert (told.encrypted, told.in_clear, told.passwords) == ([], [], [])


def test_the_front_reports_unencrypted_connections(folder: str) -> None:
    with front(folder, None) as told:
        assert ask(url_of(told, "disable")) == 42
        assert ask(url_of(told, "prefer")) == 42
    assert (told.encrypted, len(told.in_clear)) == ([], 2)
    assert told.passwords == [PASSWORD] * 2


def test_a_misspelt_mode_or_parameter_is_refused(right: Authority, folder: str) -> None:
    with front(folder, right.server("localhost")) as told:
        with pytest.raises(WarehouseError, match=r'is not as DATABASE_URL says.*"verify_full"'):
            ask(url_of(told, None) + "sslmode=verify_full")
        with pytest.raises(WarehouseError, match=r"DATABASE_URL is malformed.*parameters as libpq spells them"):
            ask(url_of(told, None) + "sslmod=verify-full")
    assert (told.encrypted, told.in_clear, told.passwords) == ([], [], [])


@pytest.fixture(scope="module")
def secure(right: Authority, folder: str, services: Services, prefect_server: None) -> Iterator[tuple[World, Front]]:
    """An environment that uses verify-full, and what the front has received."""
    world = World.new(services)
    with front(folder, right.server("localhost")) as told:
        extra = "&connect_timeout=7&application_name=nightly"
        extra += "&options=-c%20work_mem%3D7MB%20-c%20timezone%3DAsia/Tokyo"
        world.register(DATABASE_URL=url_of(told, "verify-full", right.root) + extra)
        yield world, told


def test_a_registered_environment_keeps_every_parameter_of_its_database_url(
    secure: tuple[World, Front], right: Authority
) -> None:
    world, _ = secure
    url = load_environment(world.name).database.url.get_secret_value()
    assert url == world.settings["DATABASE_URL"]
    with connected(url) as engine, engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, psycopg2.extensions.connection)
        used = raw.get_dsn_parameters()
        wanted = {"sslmode": "verify-full", "sslrootcert": str(right.root)}
        wanted |= {"connect_timeout": "7", "application_name": "nightly"}
        assert {name: used[name] for name in wanted} == wanted
        assert connection.execute(text("SHOW work_mem")).scalar_one() == "7MB"
        show = text("SHOW timezone")
        assert connection.execute(show).scalar_one() == "Asia/Tokyo"
        warehouse = Warehouse(engine, Tables("public"))
        # The work itself relies on this one.
        assert warehouse.transaction(lambda work: work.execute(show).scalar_one()) == "UTC"


def test_a_whole_run_uses_only_tls(secure: tuple[World, Front]) -> None:
    world, told = secure
    objects = fill(world, FIRST)
    world.run("one")
    del told.encrypted[:], told.passwords[:]
    world.run("two")
    assert len(told.encrypted) >= 3
    assert set(told.encrypted) == {"TLSv1.3"}
    assert told.passwords == [PASSWORD] * len(told.encrypted)
    assert told.in_clear == []
    assert world.rows() == model(objects).rows


def test_a_run_fails_with_a_message_if_the_server_no_longer_offers_tls(
    secure: tuple[World, Front], right: Authority, folder: str
) -> None:
    world, _ = secure
    with front(folder, None) as told:
        url = url_of(told, "verify-full", right.root)
        plant(world.name, f"{world.name}-bare", lambda data: data["database"].update(url=url))
        with pytest.raises(WarehouseError, match="does not support SSL"):
            user_page_views(id="three", environment=f"{world.name}-bare")
    assert (told.encrypted, told.in_clear, told.passwords) == ([], [], [])
