"""Faults of the database while a first load takes rows in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.schema import CreateSchema

from flows.warehouse.connect import connected
from flows.warehouse.ledger import lock_environment, prepare
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse
from tests.faults.test_database import COPY, OLD, at
from tests.support.faults import OnEvent, Watched, scratch_in
from tests.support.model import model
from tests.support.world import World
from tests.test_user_page_views import FIRST, SECOND, assert_account, fill

CUTS: dict[str, Callable[[], OnEvent]] = {
    "before the copy": lambda: at(COPY),
    "at the first row of the copy": lambda: at("before d"),
    "at the end of the copy": lambda: at("before c"),
    "before the commit": lambda: at("before Q COMMIT", after=COPY),
    "after the commit": lambda: at("after Q COMMIT", after=COPY),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_first_load_whose_connection_is_cut_is_published_once(
    seen: Watched, no_waiting: None, tmp_path: Path, cut: str
) -> None:
    fill(seen.world, FIRST)
    seen.start(CUTS[cut]())
    with scratch_in(tmp_path):
        summary = seen.world.run("one")
    assert seen.world.rows() == OLD.rows
    assert_account(summary, OLD)
    assert seen.world.run("one") == summary
    assert seen.world.execute("SELECT count(*) FROM pipeline_runs") == [(1,)]
    assert seen.leftovers(tmp_path) == []


def test_tables_that_another_run_has_made_meanwhile_are_no_error_in_repeatable_reads(
    postgres_url: str, no_waiting: None
) -> None:
    options = "&" if "?" in postgres_url else "?"
    options += "options=-c%20default_transaction_isolation%3Drepeatable%5C%20read"
    tables = Tables("made_by_another_run")
    with (
        connected(postgres_url) as theirs,
        connected(postgres_url + options) as ours,
        ThreadPoolExecutor(1) as pool,
    ):
        with theirs.begin() as other, theirs.connect() as watching:
            lock_environment(other, tables)
            other.execute(CreateSchema("made_by_another_run"))
            tables.metadata.create_all(other)
            prepared = pool.submit(prepare, Warehouse(ours, tables))
            while not watching.scalar(text("SELECT 1 FROM pg_locks WHERE NOT granted")):
                pass
        prepared.result()


def test_a_refreshed_id_makes_a_table_that_somebody_has_dropped_anew(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    world.execute("DROP TABLE user_page_views")
    fill(world, SECOND)
    summary = world.run("one", refresh=True)
    logs = {key: body.encode() for key, body in {**FIRST, **SECOND}.items()}
    assert world.rows() == model(logs).rows
    assert world.run("one") == summary
