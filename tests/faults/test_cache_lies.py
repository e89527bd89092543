"""The cache lies, the database was restored: a rerun heals the table, and says what it healed."""

import json
import re
from collections.abc import Callable

import pytest

from flows.errors import StorageError
from flows.logs import extracts
from flows.logs.plan import Plan
from flows.storage.results import ResultsStorage
from flows.summary import RunSummary
from flows.tasks import listing
from tests.support.model import model
from tests.support.world import World
from tests.test_user_page_views import FIRST, SECOND, assert_account, fill

Damage = Callable[[bytes], bytes | None]


def cut(body: bytes) -> bytes:
    """All but the last byte."""
    return body[:-1]


def flip(body: bytes) -> bytes:
    """One bit changed, in the middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def one_more_line(body: bytes) -> bytes:
    """Well-formed JSON that says something else."""
    assert b'"lines":' in body
    return body.replace(b'"lines":', b'"lines":1', 1)


def gone(body: bytes) -> None:
    """Nothing left."""


def damage(world: World, prefix: str, ends: str, how: Damage) -> int:
    """Damage all files of a sort in the results storage; give how many there were."""
    bucket = world.settings["RESULTS_BUCKET"]
    found = {
        name: body
        for name, body in world.stored(prefix).items()
        if name.endswith(ends) and (ends != ".parquet" or ".rejects." not in name)
    }
    for name, body in found.items():
        damaged = how(body)
        if damaged is None:
            world.services.s3.delete_object(Bucket=bucket, Key=name)
        else:
            assert damaged != body
            world.services.s3.put_object(Bucket=bucket, Key=name, Body=damaged)
    return len(found)


LONG = pytest.mark.long
DAMAGES = [
    (".parquet", flip),
    (".json", cut),
    pytest.param(".parquet", cut, marks=LONG),
    pytest.param(".parquet", gone, marks=LONG),
    pytest.param(".json", flip, marks=LONG),
    pytest.param(".json", gone, marks=LONG),
]

EXTRACTS = 2
"""One of each kind of log: a manifest and a Parquet file, beside their rejects."""


def rejects(world: World) -> list[str]:
    return [name for name in world.stored("extracts/") if ".rejects." in name]


@pytest.mark.parametrize(("ends", "how"), DAMAGES)
def test_a_damaged_extract_is_found_and_made_again_within_the_run(
    world: World, ends: str, how: Damage
) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    assert damage(world, "extracts/", ends, how) == EXTRACTS
    objects |= fill(world, SECOND)
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert_account(summary, model(objects))
    assert (summary.objects_parsed, summary.objects_reused) == (4, 0)
    assert summary.healed
    again = world.run("three")
    assert (again.healed, again.objects_parsed, again.rows_written) == ([], 0, 0)


@pytest.mark.parametrize("how", [flip, *(pytest.param(how, marks=LONG) for how in (cut, gone))])
def test_damaged_rejects_are_found_and_made_again_within_the_run(world: World, how: Damage) -> None:
    expected = model(fill(world, FIRST))
    world.run("one")
    [name] = rejects(world)
    assert damage(world, name, "", how) == 1
    # So that they are needed: neither the table nor a summary has them any more.
    world.execute("DELETE FROM rejected_records")
    world.empty("RESULTS", "summaries/")
    summary = world.run("two")
    assert summary.healed
    found = world.execute("SELECT object_key, line_number, reason, line FROM rejected_records")
    assert found == [(r.object_key, r.line_number, r.reason, r.line) for r in expected.rejects]


def test_a_manifest_that_tells_another_account_is_not_believed(world: World) -> None:
    expected = model(fill(world, FIRST))
    world.run("one")
    assert damage(world, "extracts/", ".json", one_more_line) == EXTRACTS
    summary = world.run("two")
    assert_account(summary, expected)
    assert summary.healed == ["2 stored extracts were damaged: their objects are parsed again."]


@pytest.mark.parametrize(("ends", "how"), DAMAGES)
def test_a_damaged_summary_is_found_and_made_again_within_the_run(
    world: World, ends: str, how: Damage
) -> None:
    objects = fill(world, FIRST)
    first = world.run("one")
    # Rows, URLs and latest updates; the rejects are spared.
    assert damage(world, "summaries/", ends, how) == (3 if ends == ".parquet" else 1)
    # So that all of it is needed again.
    world.execute("DELETE FROM user_page_views")
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert_account(summary, model(objects))
    # The description of a summary is made again from the extracts without a word.
    assert bool(summary.healed) == (ends == ".parquet")
    assert (summary.objects_parsed, summary.rows_written) == (0, first.rows)


@pytest.mark.parametrize("how", [flip, *(pytest.param(how, marks=LONG) for how in (cut, gone))])
def test_latest_updates_that_are_damaged_are_found_and_all_is_counted_anew(
    world: World, how: Damage
) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    assert damage(world, "summaries/", ".parquet", how) == 3
    objects |= fill(world, SECOND)
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert_account(summary, model(objects))
    assert (summary.objects_parsed, len(summary.healed)) == (2, 1)
    assert world.run("three").healed == []


@pytest.mark.parametrize("how", [flip, gone])
def test_a_damaged_catalog_is_made_again_without_a_word(world: World, how: Damage) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    assert damage(world, "catalogs/", ".json", how) == 1
    objects |= fill(world, SECOND)
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert (summary.objects_parsed, summary.healed) == (2, [])


def test_an_emptied_results_storage_is_filled_again_and_the_run_says_so(world: World) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    world.empty("RESULTS")
    objects |= fill(world, SECOND)
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert summary.healed == [
        "The results storage held no extract of earlier runs: all is parsed again."
    ]
    assert world.run("three").healed == []


def test_extracts_of_an_older_schema_version_are_ignored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = fill(world, FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(extracts, "SCHEMA_VERSION", extracts.SCHEMA_VERSION - 1)
        world.run("one")
    older = world.stored("extracts/")
    # Were they read, they would be found damaged.
    assert damage(world, "extracts/", ".parquet", flip) == EXTRACTS
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert (summary.objects_parsed, summary.objects_reused) == (2, 0)
    assert len(world.stored("extracts/")) == 2 * len(older)


def test_records_of_an_older_version_of_a_task_are_ignored(world: World) -> None:
    objects = fill(world, FIRST)
    first = world.run("one")
    bucket = world.settings["RESULTS_BUCKET"]
    for name, body in world.stored("records/").items():
        older = re.sub(r"/v[23]/", "/v1/", name)
        assert older != name
        forged = body.replace(b"rows", b"sows")
        world.services.s3.put_object(Bucket=bucket, Key=older, Body=forged)
        world.services.s3.delete_object(Bucket=bucket, Key=name)
    assert world.run("one") == first
    assert world.rows() == model(objects).rows


def test_a_record_that_tells_another_summary_is_not_believed(world: World) -> None:
    fill(world, FIRST)
    first = world.run("one")
    bucket = world.settings["RESULTS_BUCKET"]
    for name, body in world.stored("records/").items():
        record = json.loads(body)
        result = json.loads(record["result"])
        record["result"] = json.dumps({**result, "rows": 999, "parts": 999, "again": "not really"})
        world.services.s3.put_object(Bucket=bucket, Key=name, Body=json.dumps(record).encode())
    assert world.run("one") == first


TABLES = ("user_page_views", "pipeline_runs", "rejected_records")


def back_up(world: World) -> None:
    """Keep the tables as they are now, within the database."""
    schema = world.settings["DATABASE_SCHEMA"]
    world.execute(f"CREATE SCHEMA {schema}_kept")
    for table in TABLES:
        world.execute(f"CREATE TABLE {schema}_kept.{table} AS TABLE {table}")


def restore(world: World) -> None:
    """Bring the tables back to what was kept."""
    schema = world.settings["DATABASE_SCHEMA"]
    for table in TABLES:
        world.execute(f"DELETE FROM {table}")
        world.execute(f"INSERT INTO {table} SELECT * FROM {schema}_kept.{table}")


def test_an_id_that_a_restored_database_does_not_know_runs_again_and_says_so(
    world: World,
) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    back_up(world)
    objects |= fill(world, SECOND)
    second = world.run("two")
    restore(world)
    again = world.run("two")
    assert world.rows() == model(objects).rows
    assert again.healed == [
        "The database had no row of this run, which was published before: it runs again."
    ]
    assert (again.objects_parsed, again.rows_written) == (0, second.rows_written)
    assert world.run("two") == again


def test_a_ledger_restored_without_its_sequence_does_not_take_new_listings_for_old_ones(
    world: World,
) -> None:
    objects = fill(world, FIRST)
    for id in "abc":
        world.run(id)
    world.execute("ALTER SEQUENCE pipeline_listings RESTART")
    objects |= fill(world, SECOND)
    summary = world.run("d")
    assert not summary.overtaken
    assert world.rows() == model(objects).rows


def test_rows_that_somebody_changed_are_put_right_by_the_next_run(world: World) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    world.execute("UPDATE user_page_views SET count = count + 1 WHERE user_id = 1")
    world.execute("DELETE FROM user_page_views WHERE user_id = 2")
    world.execute("INSERT INTO user_page_views VALUES (77, NULL, '/', 1, now())")
    assert world.run("two").rows_written == 3
    assert world.rows() == model(objects).rows


def vanish(world: World, monkeypatch: pytest.MonkeyPatch, prefix: str, times: int) -> None:
    """After each of the next listings, what lies under the prefix disappears."""
    left = iter(range(times))
    store_plan = listing.store_plan

    def store_and_vanish(storage: ResultsStorage, plan: Plan) -> str:
        name = store_plan(storage, plan)
        if next(left, None) is not None:
            world.empty("RESULTS", prefix)
        return name

    monkeypatch.setattr(listing, "store_plan", store_and_vanish)


@pytest.mark.parametrize("prefix", ["plans/", "extracts/"])
def test_what_disappears_during_a_run_is_made_again_within_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    vanish(world, monkeypatch, prefix, 2)
    summary = world.run("two")
    assert len(summary.healed) >= 2
    assert world.rows() == model(objects).rows


def test_a_storage_that_keeps_nothing_fails_the_run_after_a_bounded_number_of_listings(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    before: RunSummary = world.run("one")
    vanish(world, monkeypatch, "plans/", 99)
    with pytest.raises(StorageError, match="each of 4 times"):
        world.run("two")
    assert world.execute("SELECT id FROM pipeline_runs") == [("one",)]
    monkeypatch.undo()
    assert world.run("one") == before
    world.run("two")
    assert world.rows() == model(objects).rows
