"""Cases from public reports of other pipelines' users; docs/field-reports.md lists all of them."""

from __future__ import annotations

import resource
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import duckdb
import pytest
import zstandard
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry, State
from psycopg2 import sql
from sqlalchemy import text

from blocks.settings import read_settings
from flows.duck import Rows
from flows.errors import SettingsError
from flows.logs.decompress import decompressed
from flows.tasks.scratch import scratch_folder
from flows.user_page_views import user_page_views
from flows.warehouse.connect import connected
from flows.warehouse.copy import copy_rows, cursor_of
from flows.warehouse.ledger import find_latest
from flows.warehouse.trust import find_rows, is_as_left
from tests.support.model import model
from tests.support.publisher import Publisher
from tests.support.runs import flow_run_of, run_scheduled
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, SECOND, fill, update, view

UPDATES = {"UserUpdates/1": update(1, "a@example.com")}
A = {"PageViews/a": view(1), **UPDATES}
B = {"PageViews/b": view(2, "/b/"), "UserUpdates/2": update(1, "b@example.com", "2019-01-01T00:00:00")}
ONE, ONE_LATER, TWO = (1, "a@example.com", "/a/", 1), (1, "b@example.com", "/a/", 1), (2, None, "/b/", 1)


@pytest.fixture
def publisher(postgres_url: str, tmp_path: Path) -> Iterator[Publisher]:
    with connected(postgres_url) as engine:
        yield Publisher(engine, tmp_path)


@pytest.mark.parametrize(
    "work", ["VACUUM FULL", "VACUUM FREEZE", "CLUSTER user_page_views USING user_page_views_pkey", "REINDEX TABLE {}"]
)
def test_maintenance_of_the_table_is_no_change_of_its_rows(publisher: Publisher, work: str) -> None:
    publisher.publish("one", A)
    with publisher.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(f'SET search_path TO "{publisher.schema}"'))
        connection.execute(text(work.format("user_page_views")))
        latest = find_latest(publisher.warehouse, "flow")
        assert latest is not None
        assert is_as_left(connection, publisher.tables, latest, find_rows(connection, publisher.tables))
    publisher.publish("two", A | B)
    assert publisher.rows() == [ONE_LATER, TWO]


@pytest.mark.parametrize(
    "attached",
    [
        "CREATE PUBLICATION of_ours FOR TABLE user_page_views, latest_user_updates, rejected_records, pipeline_runs",
        "ALTER TABLE user_page_views ADD COLUMN host text GENERATED ALWAYS AS (split_part(url, '/', 2)) STORED",
        "ALTER TABLE user_page_views ADD CONSTRAINT one_per_url EXCLUDE (url WITH =)",
    ],
)
def test_rows_are_inserted_updated_and_deleted_whatever_is_attached(publisher: Publisher, attached: str) -> None:
    publisher.publish("one", A)
    publisher.execute(attached)
    publisher.publish("two", A | B)
    assert publisher.rows() == [ONE_LATER, TWO]
    publisher.publish("three", {"PageViews/b": B["PageViews/b"], **UPDATES})
    assert publisher.rows() == [TWO]


def test_a_renamed_table_and_its_key_stay_and_a_new_one_is_filled(publisher: Publisher) -> None:
    publisher.publish("one", A)
    for table in publisher.tables.metadata.tables.values():
        publisher.execute(f"ALTER TABLE {table.name} RENAME TO old_{table.name}")
    # In the old ledger's place, too.
    Publisher(publisher.engine, publisher.folder, publisher.tables).publish("two", A | B)
    assert publisher.rows() == [ONE_LATER, TWO]
    assert publisher.execute("SELECT count(*) FROM old_user_page_views") == [(1,)]


def test_rows_that_end_with_an_error_are_not_loaded(publisher: Publisher) -> None:
    publisher.execute("CREATE TABLE numbers (number bigint)")
    broken = "SELECT if(i = 400000, error('broken'), i) AS number FROM range(500000) AS n (i)"
    rows, target = Rows(duckdb.connect(), broken), sql.Identifier(publisher.schema, "numbers")
    with pytest.raises(duckdb.InvalidInputException, match="broken"), publisher.engine.begin() as connection:
        copy_rows(cursor_of(connection), target, ["number"], rows)
    assert publisher.execute("SELECT count(*) FROM numbers") == [(0,)]


def test_a_failed_run_that_is_retried_days_later_keeps_the_date_it_was_due(world: World) -> None:
    objects = fill(world, {**FIRST, "PageViews/bad": "{bad\n" * 100})
    due = datetime.now(UTC) - timedelta(days=2)
    failed = run_scheduled(user_page_views, due, environment=world.name)
    assert failed.is_failed()
    world.delete("PageViews/bad")
    del objects["PageViews/bad"]
    run = flow_run_of(failed)
    retry: State[object] = AwaitingRetry(scheduled_time=datetime.now(UTC))
    for _ in range(2):  # the second time, it is published
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, retry, force=True)
            run = client.read_flow_run(run.id)
        state = run_flow(user_page_views, flow_run=run, parameters=run.parameters, return_type="state")
        assert isinstance(state, State)
        assert state.result().id == due.date().isoformat()
        assert world.rows() == model(objects).rows
    assert world.execute("SELECT count(*) FROM pipeline_runs") == [(1,)]


def test_of_two_runs_that_are_due_on_one_utc_date_only_the_first_does_anything(world: World) -> None:
    fill(world, FIRST)
    first = run_scheduled(user_page_views, datetime.fromisoformat("2026-10-25T08:30+09:00"), environment=world.name)
    fill(world, SECOND)
    second = run_scheduled(user_page_views, datetime.fromisoformat("2026-10-24T19:30-04:00"), environment=world.name)
    assert first.result().id == "2026-10-24"
    assert second.result() == first.result()


@pytest.mark.long
def test_environments_that_share_a_results_storage_publish_their_own_logs(
    services: Services, prefect_server: None
) -> None:
    worlds = [World.new(services), World.new(services)]
    worlds[1].settings["RESULTS_BUCKET"] = worlds[0].settings["RESULTS_BUCKET"]
    for world, logs in zip(worlds, (FIRST, FIRST | SECOND | {"PageViews/1.jsonl": view(5)}), strict=True):
        world.register()
        objects = fill(world, logs)
        assert world.run("one").healed == []
        assert world.rows() == model(objects).rows


@pytest.mark.parametrize("parts", ["sf", "fs", "fsf", "efse"])
def test_skippable_and_empty_zstandard_frames_have_no_bytes(parts: str) -> None:
    compress = zstandard.ZstdCompressor().compress
    frames = {"s": struct.pack("<II", 0x184D2A50, 300) + b"x" * 300, "f": compress(b"line\n"), "e": compress(b"")}
    body = b"".join(frames[part] for part in parts)
    assert b"".join(decompressed(BytesIO(body), "PageViews/x.zst", "zstd")) == b"line\n" * parts.count("f")


@pytest.mark.parametrize("form", ["\ufeff{}", "export {}", "{} # a comment", "  {}  "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_env_file_is_read_in_each_form_that_editors_and_shells_use(tmp_path: Path, form: str, end: str) -> None:
    url = "postgresql://loader:p#s@db/pages"
    lines = [form.format("LOGS_BUCKET=logs-1"), "RESULTS_BUCKET='results-1'", f"DATABASE_URL={url}", ""]
    (tmp_path / "x.env").write_bytes(end.join(lines).encode())
    settings = read_settings(tmp_path / "x.env", {})
    assert (settings.logs_bucket, settings.results_bucket) == ("logs-1", "results-1")
    assert settings.database_url.get_secret_value() == url


def test_a_folder_that_cannot_be_locked_is_an_error(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))  # no further file can be opened
    try:
        with pytest.raises(SettingsError, match=r"cannot be locked.*DUCKDB_SPILL_FOLDER"), scratch_folder(tmp_path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
