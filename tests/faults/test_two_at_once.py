"""Runs at the same time, each in a process of its own."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from flows.logs.objects import LogObject, fingerprint
from tests.support.faults import Watched
from tests.support.model import model
from tests.support.processes import running
from tests.support.world import World
from tests.test_user_page_views import FIRST, SECOND, assert_account, fill, view


def fingerprint_now(world: World) -> str:
    """Of the logs that are in the bucket."""
    pages = world.services.s3.get_paginator("list_objects_v2")
    return fingerprint(
        LogObject("", item["Key"], item["ETag"].strip('"'), 0)
        for page in pages.paginate(Bucket=world.settings["LOGS_BUCKET"])
        for item in page.get("Contents", [])
    )


@contextmanager
def meeting_at(seen: Watched, start: str, parties: int) -> Iterator[None]:
    """Within: no run continues after its first such event until all have reached theirs."""
    met = threading.Barrier(parties)
    left = itertools.count()

    def meet(event: str, number: int) -> bool:
        if event.startswith(start) and next(left) < parties:
            met.wait(60)
        return False

    seen.start(meet)
    yield
    assert not met.broken
    assert next(left) >= parties


@pytest.mark.parametrize("ids", [["one", "one"], ["one", "two"]], ids=["one id", "two ids"])
def test_of_runs_from_two_processes_each_id_is_published_once_and_whole(
    seen: Watched, tmp_path: Path, ids: list[str]
) -> None:
    expected = model(fill(seen.world, FIRST))
    with meeting_at(seen, "before PUT", 2), ExitStack() as stack:
        runs = [stack.enter_context(running(seen.world.name, id, tmp_path)) for id in ids]
        summaries = [run.summary() for run in runs]
    for summary in summaries:
        assert_account(summary, expected)
    if ids == ["one", "one"]:
        assert summaries[0] == summaries[1]
    else:
        # One of them found nothing to write.
        assert sorted(s.rows_written for s in summaries) == [0, len(expected.rows)]
    assert seen.world.rows() == expected.rows
    assert [id for (id,) in seen.world.execute("SELECT id FROM pipeline_runs ORDER BY id")] == sorted({*ids})
    assert seen.leftovers(tmp_path) == []


@pytest.mark.long
def test_a_slow_run_that_a_later_one_overtakes_does_not_restore_the_older_table(seen: Watched, tmp_path: Path) -> None:
    objects = fill(seen.world, FIRST)
    before = model(objects)
    reached, go_on = threading.Event(), threading.Event()

    def hold(event: str, number: int) -> bool:
        if event.startswith("before GET") and "logs/PageViews/" in event and not reached.is_set():
            reached.set()
            go_on.wait(60)
        return False

    seen.start(hold)
    with running(seen.world.name, "slow", tmp_path) as slow:
        assert reached.wait(60)
        objects |= fill(seen.world, SECOND)
        later = seen.world.run("later")
        go_on.set()
        overtaken = slow.summary()
    assert seen.world.rows() == model(objects).rows
    assert (later.overtaken, overtaken.overtaken, overtaken.rows_written) == (False, True, 0)
    # Its account is still of its own listing.
    assert_account(overtaken, before)
    assert seen.world.run("slow") == overtaken
    assert not seen.world.run("slow", refresh=True).overtaken
    assert seen.world.rows() == model(objects).rows
    assert seen.leftovers(tmp_path) == []


@pytest.mark.long
def test_ten_at_once_while_logs_arrive_each_publish_the_exact_table_of_a_listing(seen: Watched, tmp_path: Path) -> None:
    objects = fill(seen.world, FIRST)
    states = {}
    ended = threading.Event()
    found: list[object] = []
    one_at_a_time, numbers = threading.Lock(), itertools.count()

    def arrive(event: str, number: int) -> bool:
        """A new log, just before a run lists; one request lists them, so it sees one state."""
        if event.startswith("before GET") and "list-type=2&prefix=PageViews" in event:
            with one_at_a_time:
                new = next(numbers)
                log = {f"PageViews/new-{new}": view(new, f"/{new}/") * 2}
                objects.update(fill(seen.world, log))
                states[fingerprint_now(seen.world)] = model(objects)
        return False

    def look() -> None:
        """What a reader sees, from the first table to the last."""
        while not ended.is_set():
            if seen.world.execute("SELECT to_regclass('user_page_views')") != [(None,)]:
                rows = seen.world.rows()
                if not found or found[-1] != rows:
                    found.append(rows)

    seen.start(arrive)
    reader = threading.Thread(target=look)
    reader.start()
    try:
        with ExitStack() as stack:
            runs = [stack.enter_context(running(seen.world.name, f"run-{number}", tmp_path)) for number in range(10)]
            summaries = [run.summary() for run in runs]
    finally:
        ended.set()
        reader.join()
    for summary in summaries:
        # Of one listing: the fingerprint, the account and the rows agree.
        assert_account(summary, states[summary.fingerprint])
        assert summary.rows == len(states[summary.fingerprint].rows)
    assert len({summary.fingerprint for summary in summaries}) > 1
    tables: list[object] = [expected.rows for expected in states.values()]
    assert all(rows in tables for rows in found)
    # The tables came in the order of the listings.
    order = [tables.index(rows) for rows in found]
    assert order == sorted(order)
    newest = max(summaries, key=lambda summary: summary.listed_at)
    assert seen.world.rows() == states[newest.fingerprint].rows
    assert seen.world.execute("SELECT count(*) FROM pipeline_runs") == [(10,)]
    assert seen.leftovers(tmp_path) == []
