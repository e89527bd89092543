"""Upgrading: a database and a results storage that the previous version has filled."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from prefect.client.schemas.objects import State

from blocks.load import load_environment
from flows.hello_world import hello_world
from flows.summary import RunSummary
from flows.user_page_views import user_page_views
from tests.support.model import model
from tests.support.runs import task_states

PREVIOUS = Path(__file__).parent / "data" / "previous_version"


class Upgraded:
    """The environment `local`, as the previous version has left it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".local"
        shutil.copytree(PREVIOUS / "logs", self.folder / "logs")
        shutil.copytree(PREVIOUS / "results", self.folder / "storage")
        self.url = load_environment("local").database.url.get_secret_value()
        self.execute((PREVIOUS / "database.sql").read_text(encoding="utf-8"))

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL in a session of its own and commit; return the rows, if there are any."""
        with closing(psycopg2.connect(self.url)) as connection, connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def versions_of_rows(self) -> list[tuple[Any, ...]]:
        """Every row of the tables, with the transaction that wrote it."""
        tables = ("user_page_views", "rejected_records", "pipeline_runs")
        return [
            row for table in tables for row in self.execute(f"SELECT xmin::text, t::text FROM {table} AS t ORDER BY 2")
        ]

    def stored(self, part: str = "") -> dict[Path, bytes]:
        """The files of the results storage whose path contains this part."""
        paths = (self.folder / "storage").rglob("*")
        return {path: path.read_bytes() for path in paths if path.is_file() and part in str(path)}

    def assert_table_is_the_models(self) -> None:
        logs = self.folder / "logs"
        files = [path for path in logs.rglob("*") if path.is_file()]
        objects = {path.relative_to(logs).as_posix(): path.read_bytes() for path in files}
        found = {
            (user_id, url): (email, count, last_viewed)
            for user_id, url, email, count, last_viewed in self.execute(
                "SELECT user_id, url, email, count, last_viewed FROM user_page_views"
            )
        }
        assert found == model(objects).rows


@pytest.fixture
def upgraded(work_folder: Path, prefect_server: None) -> Upgraded:
    return Upgraded(work_folder)


def test_published_ids_stay_published_and_new_ids_build_on_the_table(upgraded: Upgraded) -> None:
    state: State[Any] = hello_world(id="first", return_state=True)
    assert {name for _, name in task_states(state, 3)} == {"Cached"}

    # A published id: its stages take their results from the ledger, and are cached from then on.
    rows, stored = upgraded.versions_of_rows(), upgraded.stored()
    query = "SELECT summary FROM pipeline_runs WHERE id = 'first'"
    published = RunSummary.model_validate(upgraded.execute(query)[0][0])
    for expected in ("Completed", "Cached"):
        state = user_page_views(id="first", return_state=True)
        assert state.result() == published
        assert task_states(state, 4) == {
            (name, expected): 1 for name in ("list logs", "extract logs 1/2", "extract logs 2/2", "count and publish")
        }
    assert upgraded.versions_of_rows() == rows
    new = upgraded.stored().keys() - stored.keys()
    assert {path.relative_to(upgraded.folder).parts[1] for path in new} == {"records"}

    # A new id parses all logs once more and compares the whole table, which is right already.
    summary = user_page_views(id="third")
    assert (summary.objects_parsed, summary.objects_reused, summary.rows_written) == (4, 0, 0)
    # An upgrade is no fault.
    assert summary.healed == []
    [(fingerprint,)] = upgraded.execute("SELECT fingerprint FROM pipeline_runs WHERE id = 'second'")
    assert summary.fingerprint == fingerprint
    upgraded.assert_table_is_the_models()

    # The run after it is incremental: it does not read the extracts of other days.
    for path in upgraded.stored(".events."):
        path.write_bytes(b"damaged")
    (upgraded.folder / "logs" / "PageViews" / "new.jsonl").write_text(
        '{"ts": "2017-05-01T10:00:00", "url": "/", "environment": "production", "user_id": 1}\n'
    )
    summary = user_page_views(id="fourth")
    assert (summary.objects_parsed, summary.objects_reused, summary.healed) == (1, 4, [])
    upgraded.assert_table_is_the_models()
