"""The main flow, from logs in S3 to rows in PostgreSQL: contract, sections 3 to 6."""

import gzip
import json
import os
import subprocess
import sys
import threading

import pytest
from prefect.settings import PREFECT_API_URL

from flows.errors import LogsError
from flows.logs.objects import LogObject, fingerprint
from flows.summary import RunSummary
from flows.user_page_views import user_page_views
from tests.support.model import Model, model
from tests.support.runs import task_states
from tests.support.world import World

PARTS = ("lines", "counted", "duplicates", "other_environment", "anonymous", "rejected")


def view(
    user: int | str | None,
    url: str = "/a/",
    at: str = "2017-04-15T10:00:00",
    environment: str = "production",
) -> str:
    record = {"ts": at, "url": url, "environment": environment, "user_id": user}
    return json.dumps(record) + "\n"


def update(user: int, email: str, at: str = "2017-04-01T00:00:00") -> str:
    return f'"{at}","{user}","{email}","A Name","production"\n'


FIRST = {
    "PageViews/1.jsonl": view(1) + view(1) + view(2, "/b/") + view(None) + "{bad\n" + view(3) * 40,
    "UserUpdates/1.csv": update(1, "old@example.com", "2017-01-01T00:00:00")
    + update(1, "new@example.com", "2018-01-01T00:00:00"),
}
SECOND = {
    "PageViews/2.jsonl": view(1) + view(1, "/c/") + view(2, "/b/", "2017-04-16T00:00:00+02:00"),
    "UserUpdates/2.csv": update(2, "two@example.com") + update(1, "", "2019-01-01T00:00:00"),
}


def fill(world: World, objects: dict[str, str]) -> dict[str, bytes]:
    """Put the objects into the logs bucket, and give them as the model takes them."""
    for key, body in objects.items():
        world.put(key, body)
    return {key: body.encode() for key, body in objects.items()}


def assert_account(summary: RunSummary, expected: Model) -> None:
    for kind in ("page_views", "user_updates"):
        counts, wanted = getattr(summary, kind), getattr(expected, kind)
        for part in PARTS:
            assert getattr(counts, part) == getattr(wanted, part), (kind, part)


def run_watched(world: World, id: str) -> tuple[RunSummary, set[tuple[str, str]]]:
    """Run the flow, and give its summary and in which states its tasks ended."""
    state = user_page_views(id=id, environment=world.name, return_state=True)
    return state.result(), set(task_states(state, expected=5))


TASKS = ("list-logs", "extract-logs", "summarise", "publish")


def test_the_table_and_the_account_are_those_of_the_model(world: World) -> None:
    expected = model(fill(world, FIRST))
    summary = world.run("one")
    assert world.rows() == expected.rows
    assert_account(summary, expected)
    assert (summary.objects_parsed, summary.objects_reused) == (2, 0)
    assert summary.rows == summary.rows_written == len(expected.rows)


def test_the_ledger_keeps_the_account_and_the_fingerprint_of_the_inputs(world: World) -> None:
    expected = model(fill(world, FIRST))
    summary = world.run("one")
    columns = ", ".join(f"{k}_{part}" for k in ("page_views", "user_updates") for part in PARTS)
    [row] = world.execute(
        f"SELECT id, flow, fingerprint, published_at > started_at, {columns} FROM pipeline_runs"
    )
    listed = world.services.s3.list_objects_v2(Bucket=world.settings["LOGS_BUCKET"])["Contents"]
    inputs = [LogObject("", item["Key"], item["ETag"].strip('"'), 0) for item in listed]
    assert row[:4] == ("one", "user-page-views", fingerprint(inputs), True)
    wanted = [
        getattr(k, part) for k in (expected.page_views, expected.user_updates) for part in PARTS
    ]
    assert list(row[4:]) == wanted
    assert summary.fingerprint == row[2]


def test_rejected_records_are_kept_with_key_line_reason_and_text(world: World) -> None:
    expected = model(fill(world, FIRST))
    world.run("one")
    found = world.execute("SELECT object_key, line_number, reason, line FROM rejected_records")
    assert sorted(found) == [
        (one.object_key, one.line_number, one.reason, one.line) for one in expected.rejects
    ]


def test_at_most_a_thousand_rejects_an_object_are_kept_and_the_first_ones(world: World) -> None:
    world.register(MAX_REJECTED_RATIO="1")
    bad = "{bad\n" * 1_500
    fill(world, {**FIRST, "PageViews/bad.jsonl": bad})
    summary = world.run("one")
    assert summary.page_views.rejected == 1_501
    numbers = world.execute(
        "SELECT count(*), max(line_number) FROM rejected_records WHERE object_key LIKE '%bad%'"
    )
    assert numbers == [(1_000, 1_000)]


def test_a_rerun_of_a_published_id_does_nothing_and_its_tasks_are_cached(world: World) -> None:
    fill(world, FIRST)
    first, states = run_watched(world, "one")
    assert states == {(task, "Completed") for task in TASKS}
    before = world.rows()
    fill(world, SECOND)
    again, states = run_watched(world, "one")
    assert states == {(task, "Cached") for task in TASKS}
    assert again == first
    assert world.rows() == before


def test_a_rerun_from_another_process_returns_the_same_summary(world: World) -> None:
    fill(world, FIRST)
    first = world.run("one")
    fill(world, SECOND)
    script = (
        "from flows.user_page_views import user_page_views as f\n"
        f"print(f(id='one', environment={world.name!r}).model_dump_json())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert RunSummary.model_validate_json(done.stdout.strip().splitlines()[-1]) == first


def test_a_later_id_parses_new_objects_alone(world: World) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    objects |= fill(world, SECOND)
    summary = world.run("two")
    expected = model(objects)
    assert world.rows() == expected.rows
    assert_account(summary, expected)
    assert (summary.objects_parsed, summary.objects_reused) == (2, 2)


def test_refresh_runs_a_published_id_again_from_the_current_logs(world: World) -> None:
    objects = fill(world, FIRST)
    first = world.run("one")
    objects |= fill(world, SECOND)
    second = world.run("one", refresh=True)
    assert world.rows() == model(objects).rows
    assert second != first
    assert second.objects_parsed == 2
    assert world.run("one") == second
    assert world.execute("SELECT count(*) FROM pipeline_runs") == [(1,)]


def test_an_object_that_is_gone_or_changed_leaves_the_table_of_what_is_there(world: World) -> None:
    objects = fill(world, {**FIRST, **SECOND})
    world.run("one")
    world.delete("PageViews/2.jsonl")
    del objects["PageViews/2.jsonl"]
    objects |= fill(world, {"UserUpdates/1.csv": update(1, "third@example.com")})
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert summary.objects_parsed == 1


def test_a_run_with_no_change_writes_no_row(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    assert world.run("two").rows_written == 0


def test_only_rows_that_differ_are_written(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    fill(world, {"PageViews/2.jsonl": view(2, "/b/", "2020-01-01T00:00:00")})
    assert world.run("two").rows_written == 1


def test_an_emptied_database_is_published_again_whatever_the_cache_says(world: World) -> None:
    fill(world, FIRST)
    first = world.run("one")
    before = world.rows()
    world.execute(f"DROP SCHEMA {world.settings['DATABASE_SCHEMA']} CASCADE")
    again = world.run("one")
    assert world.rows() == before
    assert (again.objects_parsed, again.rows_written) == (0, first.rows)


def test_an_emptied_results_storage_is_filled_again_by_the_next_id(world: World) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    world.empty("RESULTS")
    assert world.run("two").objects_parsed == 2
    assert world.rows() == model(objects).rows


def test_an_emptied_results_storage_does_not_bring_a_published_id_to_run(world: World) -> None:
    fill(world, FIRST)
    first = world.run("one")
    fill(world, SECOND)
    world.empty("RESULTS")
    assert world.run("one") == first
    assert world.stored("extracts/") == {}


def test_a_failed_id_goes_on_and_takes_the_logs_that_are_there_by_then(world: World) -> None:
    objects = fill(world, {**FIRST, "PageViews/bad.jsonl": "{bad\n" * 100})
    with pytest.raises(LogsError, match=r"PageViews/bad\.jsonl"):
        world.run("one")
    assert world.execute("SELECT to_regclass('user_page_views')") == [(None,)]
    world.delete("PageViews/bad.jsonl")
    del objects["PageViews/bad.jsonl"]
    objects |= fill(world, {"PageViews/good.jsonl": view(9)})
    summary = world.run("one")
    assert world.rows() == model(objects).rows
    assert (summary.objects_parsed, summary.objects_reused) == (1, 2)


def test_views_grants_indexes_and_comments_of_others_survive(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    world.execute("CREATE VIEW popular AS SELECT url, sum(count) FROM user_page_views GROUP BY url")
    world.execute("GRANT SELECT ON user_page_views TO PUBLIC")
    world.execute("CREATE INDEX by_url ON user_page_views (url)")
    world.execute("COMMENT ON TABLE user_page_views IS 'ours'")
    look = (
        "SELECT relacl::text, obj_description(oid), (SELECT count(*) FROM pg_index"
        " WHERE indrelid = pg_class.oid) FROM pg_class WHERE oid = 'user_page_views'::regclass"
    )
    before = world.execute(look)
    objects = {key: body.encode() for key, body in FIRST.items()} | fill(world, SECOND)
    world.run("two")
    assert world.execute(look) == before
    total = sum(count for _, count, _ in model(objects).rows.values())
    assert world.execute("SELECT sum(sum) FROM popular") == [(total,)]


def test_the_table_has_the_columns_and_the_key_of_the_contract(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    columns = world.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = 'user_page_views'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert columns == [
        ("user_id", "bigint", True),
        ("email", "text", False),
        ("url", "text", True),
        ("count", "bigint", True),
        ("last_viewed", "timestamp with time zone", True),
    ]
    [(key,)] = world.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'user_page_views'::regclass AND contype = 'p'"
    )
    assert key == "PRIMARY KEY (user_id, url)"


def test_a_table_of_another_shape_is_an_error_that_names_the_column(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    world.execute("ALTER TABLE user_page_views ALTER COLUMN count TYPE integer")
    before = world.rows()
    with pytest.raises(Exception, match="count must be BIGINT, is INTEGER"):
        world.run("two")
    assert world.rows() == before


def test_text_that_means_something_to_copy_arrives_as_it_is(world: World) -> None:
    urls = ["\\N", "\\.", "NULL", ' "quoted", ', "a\tb", "\\", "'; DROP TABLE x; --", "é😀", "\r\n"]
    emails = ["\\N", "\\.", "NULL", 'a""b', "a,b", " ", "x\ny", "\\", "é😀"]
    body = "".join(view(number, url) for number, url in enumerate(urls))
    rows = "".join(
        f'2017-01-01T00:00:00,{number},"{email}",n,production\n'
        for number, email in enumerate(emails)
    )
    objects = fill(world, {"PageViews/x": body, "UserUpdates/x": rows})
    summary = world.run("one")
    assert summary.page_views.rejected == summary.user_updates.rejected == 0
    assert world.rows() == model(objects).rows


def test_keys_of_every_sort_below_the_prefix_are_read_and_others_are_not(world: World) -> None:
    world.register(LOGS_PREFIX="raw/logs/")
    objects = {
        "PageViews/a b/c+d%25/é😀": view(1).encode(),
        "PageViews/x.gz": gzip.compress(view(2).encode()) + gzip.compress(view(3).encode()),
        "PageViews/_SUCCESS": b"no log",
        "PageViews/.hidden": b"no log",
        "PageViews/folder/": b"",
        "PageViews/_temporary/0": view(4).encode(),
        "PageViewsOld/1": view(5).encode(),
        "UserUpdates/empty": b"",
        "UserUpdates/x": b"\xef\xbb\xbfupdated_at,user_id,email,name,environment\r\n"
        + update(1, "a@example.com").replace("\n", "\r\n").encode(),
    }
    for key, body in objects.items():
        world.put(key, body)
    world.services.s3.put_object(
        Bucket=world.settings["LOGS_BUCKET"], Key="PageViews/outside", Body=view(6).encode()
    )
    summary = world.run("one")
    assert world.rows() == model(objects).rows
    assert {user for user, _ in world.rows()} == {1, 2, 3, 4}
    assert summary.objects_parsed == 5


def test_another_log_environment_counts_other_records_and_parses_anew(world: World) -> None:
    body = view(1) + view(2, environment="staging") + view(3, environment="Staging")
    objects = fill(world, {"PageViews/1": body, "UserUpdates/1": update(1, "a@example.com")})
    world.run("one")
    world.register(LOG_ENVIRONMENT="staging")
    summary = world.run("two")
    expected = model(objects, "staging")
    assert world.rows() == expected.rows == {(2, "/a/"): expected.rows[2, "/a/"]}
    assert_account(summary, expected)


def test_runs_of_many_ids_at_once_each_publish_whole(world: World) -> None:
    objects = fill(world, FIRST)
    expected = model(objects)
    summaries: dict[str, RunSummary] = {}

    def run(id: str) -> None:
        summaries[id] = world.run(id)

    threads = [threading.Thread(target=run, args=(id,)) for id in ("a", "b", "c", "a")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.rows() == expected.rows
    assert set(summaries) == {"a", "b", "c"}
    for summary in summaries.values():
        assert_account(summary, expected)
    assert world.execute("SELECT count(*) FROM pipeline_runs") == [(3,)]
