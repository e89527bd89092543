"""Stored results are damaged or lost, or the database is restored: the run corrects its tables, and
reports what was wrong."""

import json
import re
from collections.abc import Callable

import pytest

from flows.errors import StorageError
from flows.extracts import units
from tests.faults.test_cuts import is_download
from tests.support.faults import OnEvent, Watched
from tests.support.long import sampled
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


def another_account(body: bytes) -> bytes:
    """Valid JSON with other numbers."""
    assert b'"lines":' in body
    return body.replace(b'"lines":', b'"lines":1', 1)


def gone(body: bytes) -> None:
    """Nothing left."""


def damage(world: World, prefix: str, ends: str, how: Damage) -> int:
    """Damage all files of a sort in the results storage; return how many there were."""
    bucket = world.settings["RESULTS_BUCKET"]
    stored = world.stored(prefix)
    found = [name for name in stored if name.endswith(ends) and (ends != ".parquet" or ".rejects." not in name)]
    for name in found:
        damaged = how(stored[name])
        if damaged is None:
            world.services.s3.delete_object(Bucket=bucket, Key=name)
        else:
            assert damaged != stored[name]
            world.store(name, damaged)
    return len(found)


LONG = pytest.mark.long
EXTRACTS = 2
"""One of each kind of log: a manifest and a Parquet file of events, beside their rejects."""


def rejects(world: World) -> str:
    [name] = [name for name in world.stored("extracts/") if ".rejects." in name]
    return name


SHORT_DAMAGES = [(".parquet", flip), (".json", another_account)]
LONG_DAMAGES = [(".json", cut), (".parquet", cut), (".parquet", gone), (".json", flip), (".json", gone)]


@pytest.mark.parametrize(
    ("ends", "how"), [*SHORT_DAMAGES, *(pytest.param(*damage, marks=LONG) for damage in LONG_DAMAGES)]
)
@pytest.mark.parametrize("refresh", [False, pytest.param(True, marks=LONG)])
def test_damaged_extracts_are_found_and_rebuilt_within_the_run(
    world: World, ends: str, how: Damage, refresh: bool
) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    assert damage(world, "extracts/", ends, how) == EXTRACTS
    objects |= fill(world, SECOND)
    summary = world.run("two", refresh=refresh)
    assert world.rows() == model(objects).rows
    assert_account(summary, model(objects))
    assert (summary.objects_parsed, summary.objects_reused) == (4, 0)
    assert summary.healed
    again = world.run("three", refresh=True)
    assert (again.healed, again.objects_parsed, again.rows_written) == ([], 0, 0)


@pytest.mark.parametrize("how", [flip, *(pytest.param(how, marks=LONG) for how in (cut, gone))])
def test_damaged_rejects_are_found_and_rebuilt_within_the_run(world: World, how: Damage) -> None:
    expected = model(fill(world, FIRST))
    world.run("one")
    assert damage(world, rejects(world), "", how) == 1
    world.execute("DELETE FROM rejected_records")  # so that the file is needed
    summary = world.run("two")
    assert summary.healed
    found = world.execute("SELECT object_key, line_number, reason, line FROM rejected_records")
    assert found == [(r.object_key, r.line_number, r.reason, r.line) for r in expected.rejects]


def test_a_run_that_lists_again_reports_what_every_listing_found(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    # The listing finds a damaged manifest; publishing, a damaged file of the other extract.
    [manifest] = [name for name, body in world.stored("extracts/").items() if b".csv" in body]
    assert damage(world, manifest, "", cut) == 1
    assert damage(world, "extracts/", ".parquet", flip) == EXTRACTS
    summary = world.run("two", refresh=True)
    assert (summary.objects_parsed, len(summary.healed)) == (2, 2), summary.healed


@pytest.mark.parametrize("how", [flip, pytest.param(gone, marks=LONG)])
def test_a_damaged_catalog_is_rebuilt_without_a_report(world: World, how: Damage) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    assert damage(world, "catalogs/", ".json", how) == 1
    objects |= fill(world, SECOND)
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert (summary.objects_parsed, summary.healed) == (2, [])


@pytest.mark.long
def test_an_emptied_results_storage_is_filled_again_and_the_run_says_so(world: World) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    world.empty("RESULTS")
    objects |= fill(world, SECOND)
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert summary.objects_parsed == 4
    assert summary.healed == ["The results storage contained no extract of earlier runs: all logs are parsed."]
    assert world.run("three").healed == []


@pytest.mark.long
def test_extracts_of_an_older_schema_version_are_ignored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = fill(world, FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(units, "SCHEMA_VERSION", units.SCHEMA_VERSION - 1)
        world.run("one")
    older = world.stored("extracts/")
    # If they were read, they would be found damaged.
    assert damage(world, "extracts/", ".parquet", flip) == EXTRACTS
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert (summary.objects_parsed, summary.objects_reused) == (2, 0)
    assert len(world.stored("extracts/")) == 2 * len(older)


@pytest.mark.long
def test_records_of_an_older_version_of_a_task_are_ignored(world: World) -> None:
    objects = fill(world, FIRST)
    first = world.run("one")
    bucket = world.settings["RESULTS_BUCKET"]
    for name, body in world.stored("records/").items():
        older = re.sub(r"/v3/", "/v2/", name)
        assert older != name
        world.store(older, body.replace(b"rows", b"sows"))
        world.services.s3.delete_object(Bucket=bucket, Key=name)
    assert world.run("one") == first
    assert world.rows() == model(objects).rows


def test_a_record_with_another_summary_is_not_trusted(world: World) -> None:
    fill(world, FIRST)
    first = world.run("one")
    for name, body in world.stored("records/").items():
        record = json.loads(body)
        result = json.loads(record["result"])
        record["result"] = json.dumps({**result, "rows": 999, "kinds": ["page_views"] * 9})
        world.store(name, json.dumps(record).encode())
    assert world.run("one") == first


TABLES = ("user_page_views", "latest_user_updates", "pipeline_runs", "rejected_records")


def back_up(world: World) -> None:
    """Keep the tables as they are now, within the database."""
    kept = f"{world.settings['DATABASE_SCHEMA']}_kept"
    world.execute(f"CREATE SCHEMA {kept}")
    for table in TABLES:
        world.execute(f"CREATE TABLE {kept}.{table} AS TABLE {table}")


def restore(world: World) -> None:
    """Bring the tables back to what was kept."""
    for table in TABLES:
        kept = f"{world.settings['DATABASE_SCHEMA']}_kept.{table}"
        world.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {kept}")


def empty(world: World) -> None:
    world.execute(f"DROP SCHEMA {world.settings['DATABASE_SCHEMA']} CASCADE")


@pytest.mark.parametrize("lose", sampled([restore, empty], 2))
def test_an_id_that_the_database_does_not_know_any_more_runs_again_and_reports_it(
    world: World, lose: Callable[[World], None]
) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    back_up(world)
    objects |= fill(world, SECOND)
    second = world.run("two")
    lose(world)
    again = world.run("two")
    assert world.rows() == model(objects).rows
    assert again.healed == ["The database had no row of this run, which was published before: it runs again."]
    written = second.rows_written if lose is restore else second.rows
    assert (again.objects_parsed, again.rows_written) == (0, written)
    assert world.run("two") == again


@pytest.mark.long
def test_a_ledger_restored_without_its_sequence_does_not_take_new_listings_for_old_ones(world: World) -> None:
    objects = fill(world, FIRST)
    for id in "abc":
        world.run(id)
    world.execute("ALTER SEQUENCE pipeline_listings RESTART")
    objects |= fill(world, SECOND)
    summary = world.run("d")
    assert not summary.overtaken
    assert world.rows() == model(objects).rows


def vanishes(seen: Watched, prefix: str, times: int) -> OnEvent:
    """After each of the next listings, what is stored under the prefix disappears."""
    left = iter(range(times))

    def on_event(event: str, number: int) -> bool:
        if event.startswith("after PUT") and "/plans/" in event and next(left, None) is not None:
            seen.world.empty("RESULTS", prefix)
        return False

    return on_event


@pytest.mark.parametrize("prefix", ["plans/", pytest.param("extracts/", marks=LONG)])
def test_what_disappears_during_a_run_is_rebuilt_within_the_run(seen: Watched, prefix: str) -> None:
    objects = fill(seen.world, FIRST)
    seen.world.run("one")
    seen.start(vanishes(seen, prefix, 2))
    summary = seen.world.run("two")
    assert len(summary.healed) >= 2
    assert seen.world.rows() == model(objects).rows


def test_an_extract_that_disappears_while_the_run_publishes_is_rebuilt(seen: Watched) -> None:
    def vanish(event: str, number: int) -> bool:
        if is_download(event) and not vanished:
            vanished.append(event)
            seen.world.empty("RESULTS", "extracts/")
        return False

    vanished: list[str] = []
    objects = fill(seen.world, FIRST)
    seen.start(vanish)
    summary = seen.world.run("one")
    assert vanished
    assert (summary.objects_parsed, len(summary.healed)) == (4, 1)
    assert seen.world.rows() == model(objects).rows


@pytest.mark.long
def test_a_storage_that_keeps_nothing_fails_the_run_after_a_bounded_number_of_listings(seen: Watched) -> None:
    objects = fill(seen.world, FIRST)
    before = seen.world.run("one")
    seen.start(vanishes(seen, "plans/", 99))
    with pytest.raises(StorageError, match="changed 4 times"):
        seen.world.run("two")
    assert seen.world.execute("SELECT id FROM pipeline_runs") == [("one",)]
    seen.start()
    assert seen.world.run("one") == before
    seen.world.run("two")
    assert seen.world.rows() == model(objects).rows
