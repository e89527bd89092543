"""The flow user-page-views, from logs in S3 to rows in PostgreSQL: contract, sections 3 to 6."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from prefect.client.schemas.objects import State, TaskRunResult

from flows.errors import LogsError
from flows.logs.objects import LogObject, fingerprint
from flows.summary import RunSummary
from flows.user_page_views import user_page_views
from tests.support.long import sampled
from tests.support.model import Model, model
from tests.support.runs import flow_run_of, logs_of, run_scheduled, task_runs, task_states
from tests.support.s3_proxy import Answer, Forward, Request, intercepting
from tests.support.world import Services, World

PARTS = ("lines", "counted", "duplicates", "other_environment", "anonymous", "rejected")


def view(
    user: int | str | None, url: str = "/a/", at: str = "2017-04-15T10:00:00", environment: str = "production"
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


def bodies(objects: Mapping[str, str | bytes]) -> dict[str, bytes]:
    """The objects as the model takes them."""
    return {key: body.encode() if isinstance(body, str) else body for key, body in objects.items()}


def fill(world: World, objects: Mapping[str, str | bytes]) -> dict[str, bytes]:
    """Put the objects into the logs bucket; return them as the model takes them."""
    for key, body in objects.items():
        world.put(key, body)
    return bodies(objects)


def assert_account(summary: RunSummary, expected: Model) -> None:
    for kind in ("page_views", "user_updates"):
        counts, wanted = getattr(summary, kind), getattr(expected, kind)
        for part in PARTS:
            assert getattr(counts, part) == getattr(wanted, part), (kind, part)


def run_observed(world: World, id: str | None) -> State[RunSummary]:
    """Run the flow; return the state that it ended in."""
    return user_page_views(id=id, environment=world.name, return_state=True)


TASKS = ("list logs", "extract user updates 1/1", "extract page views 1/1", "count and publish")
COMPLETED = Counter((task, "Completed") for task in TASKS)
CACHED = Counter((task, "Cached") for task in TASKS)


@dataclass
class Published:
    """One run of the logs FIRST, for the tests that only look."""

    world: World
    expected: Model
    state: State[RunSummary]


@pytest.fixture(scope="module")
def published(services: Services, prefect_server: None) -> Published:
    world = World.new(services)
    world.register()
    expected = model(fill(world, FIRST))
    return Published(world, expected, run_observed(world, "one"))


def test_the_table_and_the_account_are_those_of_the_model(published: Published) -> None:
    summary, expected = published.state.result(), published.expected
    assert published.world.rows() == expected.rows
    assert_account(summary, expected)
    assert (summary.objects_parsed, summary.objects_reused) == (2, 0)
    assert summary.rows == summary.rows_written == len(expected.rows)
    log = logs_of(published.state)
    for line in (
        *("Listed 2 log objects", "2 log objects are new", "Rejected 1 of 45 page views (2.22 %), limit 5 %"),
        "Rejected 0 of 2 user updates (0.00 %), limit 5 %",
    ):
        assert line in log


def test_the_ui_names_runs_and_tasks_and_shows_that_publishing_follows_extracting(published: Published) -> None:
    assert flow_run_of(published.state).name == f"one · {published.world.name}"
    by_name = {run.name: run for run in task_runs(published.state, expected=4)}
    assert set(by_name) == set(TASKS)
    inputs = by_name["count and publish"].task_inputs.values()
    before = {one.id for some in inputs for one in some if isinstance(one, TaskRunResult)}
    extracts = {run.id for name, run in by_name.items() if name.startswith("extract")}
    assert extracts <= before


def test_the_ledger_contains_the_account_and_the_fingerprint_of_the_inputs(published: Published) -> None:
    world, expected = published.world, published.expected
    columns = ", ".join(f"{k}_{part}" for k in ("page_views", "user_updates") for part in PARTS)
    [row] = world.execute(f"SELECT id, flow, fingerprint, published_at > started_at, {columns} FROM pipeline_runs")
    listed = world.services.s3.list_objects_v2(Bucket=world.settings["LOGS_BUCKET"])["Contents"]
    inputs = [LogObject("", item["Key"], item["ETag"].strip('"'), 0) for item in listed]
    assert row[:4] == ("one", "user-page-views", fingerprint(inputs), True)
    wanted = [getattr(k, part) for k in (expected.page_views, expected.user_updates) for part in PARTS]
    assert list(row[4:]) == wanted
    assert published.state.result().fingerprint == row[2]


def test_the_table_has_the_columns_and_the_key_of_the_contract(published: Published) -> None:
    columns = published.world.execute(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END"
        " FROM pg_attribute WHERE attrelid = 'user_page_views'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [column for (column,) in columns] == [
        *("user_id bigint NOT NULL", "email text", "url text NOT NULL", "count bigint NOT NULL"),
        "last_viewed timestamp with time zone NOT NULL",
    ]
    key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'user_page_views'::regclass"
    assert published.world.execute(f"{key} AND contype = 'p'") == [("PRIMARY KEY (user_id, url)",)]


def test_a_scheduled_run_without_an_id_is_named_after_the_date_it_was_due(world: World) -> None:
    fill(world, FIRST)
    due = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    state = run_scheduled(user_page_views, due, environment=world.name)
    assert state.result().id == "2026-11-22"
    assert flow_run_of(state).name == f"2026-11-22 · {world.name}"


@pytest.mark.parametrize("workers", sampled([2, 1], 2))
def test_as_many_parts_are_extracted_at_once_as_there_are_workers(world: World, workers: int) -> None:
    # 130 objects are planned as two parts of page views, if there are two workers.
    objects = {f"PageViews/{number}": view(number) for number in range(130)}
    objects |= {"UserUpdates/1": update(1, "a@example.com")}
    asked, met = threading.Event(), []

    def meet(request: Request, forward: Forward) -> Answer:
        # User updates come first. They wait until page views are read too.
        if request.method == "GET" and request.key.startswith("PageViews/"):
            asked.set()
        if request.method == "GET" and request.key == "UserUpdates/1":
            met.append(asked.wait(60 if workers == 2 else 1))
        return forward()

    with intercepting(world.services.s3_endpoint, meet) as url:
        world.register(S3_ENDPOINT_URL=url, DUCKDB_THREADS=str(workers))
        expected = model(fill(world, objects))
        state = run_observed(world, "one")
        assert state.result().objects_parsed == len(objects)
    assert met == [workers == 2]
    assert world.rows() == expected.rows
    runs = [run for run in task_runs(state, 3 + workers) if run.name.startswith("extract")]
    assert len(runs) == 1 + workers
    times = sorted((run.start_time, run.end_time) for run in runs if run.start_time)
    at_once = [sum(start <= at and (end or at) > at for start, end in times) for at, _ in times]
    assert max(at_once) <= workers


def test_only_the_first_thousand_rejects_of_an_object_are_stored(world: World) -> None:
    world.register(MAX_REJECTED_RATIO="1")
    bad = "{bad\n" * 1_500
    fill(world, {**FIRST, "PageViews/bad.jsonl": bad})
    summary = world.run("one")
    assert summary.page_views.rejected == 1_501
    numbers = world.execute("SELECT count(*), max(line_number) FROM rejected_records WHERE object_key LIKE '%bad%'")
    assert numbers == [(1_000, 1_000)]


def test_a_rerun_of_a_published_id_does_nothing_and_is_cached_even_after_its_records_were_lost(world: World) -> None:
    fill(world, FIRST)
    first = run_observed(world, "one")
    assert task_states(first, expected=4) == COMPLETED
    fill(world, SECOND)
    look = "SELECT xmin::text, t::text FROM user_page_views AS t ORDER BY 2"
    before = world.execute(look)
    for lost, states in ((False, CACHED), (True, COMPLETED), (False, CACHED)):
        if lost:
            world.empty("RESULTS")  # so the summary comes from the ledger
        again = run_observed(world, "one")
        assert task_states(again, expected=4) == states
        assert again.result() == first.result()
    assert all(name.startswith("records/") for name in world.stored())
    assert world.execute(look) == before
    assert world.execute("SELECT count(*) FROM pipeline_runs") == [(1,)]


def test_a_later_id_parses_only_new_and_changed_objects_and_forgets_deleted_ones(world: World) -> None:
    objects = fill(world, FIRST)
    world.run("one")
    objects |= fill(world, SECOND)
    summary = world.run("two")
    assert world.rows() == model(objects).rows
    assert_account(summary, model(objects))
    assert (summary.objects_parsed, summary.objects_reused) == (2, 2)
    world.delete("PageViews/2.jsonl")
    del objects["PageViews/2.jsonl"]
    objects |= fill(world, {"UserUpdates/1.csv": update(1, "third@example.com")})
    summary = world.run("three")
    assert world.rows() == model(objects).rows
    assert summary.objects_parsed == 1


@pytest.mark.parametrize("before", ["SELECT", "DROP TABLE user_page_views"], ids=["the table", "no table"])
def test_refresh_runs_a_published_id_again_from_the_current_logs(world: World, before: str) -> None:
    objects = fill(world, FIRST)
    first = world.run("one")
    world.execute(before)
    objects |= fill(world, SECOND)
    second = world.run("one", refresh=True)
    assert world.rows() == model(objects).rows
    assert second != first
    assert second.objects_parsed == 2
    assert world.run("one") == second
    assert world.execute("SELECT count(*) FROM pipeline_runs") == [(1,)]


def test_a_run_with_nothing_new_writes_no_row_and_says_so(world: World) -> None:
    fill(world, FIRST)
    world.run("one")
    state = run_observed(world, "two")
    assert state.result().rows_written == 0
    assert task_states(state, expected=2) == {("list logs", "Completed"): 1, ("count and publish", "Completed"): 1}
    log = logs_of(state)
    assert "0 log objects are new" in log
    assert "Nothing new for the table" in log


def test_a_failed_id_resumes_with_the_logs_that_exist_by_then(world: World) -> None:
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


def test_logs_with_any_kind_of_key_under_the_prefix_are_read_and_no_others(world: World) -> None:
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
    fill(world, objects)
    world.services.s3.put_object(Bucket=world.settings["LOGS_BUCKET"], Key="PageViews/outside", Body=view(6).encode())
    summary = world.run("one")
    assert world.rows() == model(objects).rows
    assert {user for user, _ in world.rows()} == {1, 2, 3, 4}
    assert summary.objects_parsed == 5


def test_another_log_environment_counts_other_records_and_parses_again(world: World) -> None:
    body = view(1) + view(2, environment="staging") + view(3, environment="Staging")
    objects = fill(world, {"PageViews/1": body, "UserUpdates/1": update(1, "a@example.com")})
    world.run("one")
    world.register(LOG_ENVIRONMENT="staging")
    summary = world.run("two")
    expected = model(objects, "staging")
    assert world.rows() == expected.rows == {(2, "/a/"): expected.rows[2, "/a/"]}
    assert_account(summary, expected)
