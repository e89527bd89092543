"""The run's process is killed anywhere; the table stays whole, and a rerun finishes the job.

A run changes the world only by requests and statements. So the states that a kill can leave lie
between these: the kill comes just before one reaches its service, or after the service has answered
and before the run receives the answer. At the point of a kill, any phase may be at work in another
thread of the run.
"""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import Future
from hashlib import md5
from pathlib import Path
from random import Random

import pytest
from _pytest.mark.structures import ParameterSet

from tests.support.faults import Watched, scratch_in, watched
from tests.support.model import model
from tests.support.processes import Run, running
from tests.support.world import Services
from tests.test_user_page_views import assert_account, fill

LINES = 2_200
ids = (f"id-{number}" for number in itertools.count())
PADDING = "x" * 2_000  # two such objects are too large for one unit


def views(seed: int) -> bytes:
    """An object of page views that is a unit of work by itself; some lines are bad, some equal."""
    random = Random(seed)
    lines = []
    for _ in range(LINES):
        view = {
            "ts": f"2017-04-{random.randrange(1, 29):02}T10:00:00",
            "url": f"/products/{random.randrange(9)}/",
            "environment": random.choice(["production", "production", "staging"]),
            "user_id": random.choice([None, *range(40)]),
            "pad": PADDING,
        }
        lines.append(json.dumps(view) if random.random() < 0.99 else "{bad")
    return "\n".join(lines).encode()


def updates(seed: int) -> bytes:
    """An object of user updates."""
    random = Random(seed)
    return "".join(
        f"2017-04-01T00:00:{random.randrange(60):02},{user},{user}-{seed}@example.com,N,production\n"
        for user in range(0, 40, 2)
    ).encode()


OLD = {**{f"PageViews/{number}.jsonl": views(number) for number in (1, 2)}, "UserUpdates/1.csv": updates(1)}
NEW = {
    **OLD,
    **{f"PageViews/{number}.jsonl": views(number + 10) for number in (2, 3, 4)},
    "UserUpdates/2.csv": updates(2),
}
TABLES = {"first": None, "next": model(OLD).rows}
EXPECTED = model(NEW)
# 60 kills, some of them in each `make test`.
POINTS = {"first": 20, "next": 40}
SHORT = 20


def points() -> list[ParameterSet]:
    found = []
    for run, count in POINTS.items():
        for point in range(count):
            marks = [] if point % SHORT == SHORT // 2 else [pytest.mark.long]
            found.append(pytest.param(run, (point + 0.5) / count, marks=marks, id=f"{run}-{point}"))
    return found


@pytest.fixture(scope="module")
def seen(services: Services, prefect_server: None) -> Iterator[Watched]:
    with watched(services) as seen:
        yield seen


@pytest.fixture(scope="module")
def events(seen: Watched) -> dict[str, int]:
    """How many events an undisturbed run has: the first one, and one that finds old results."""
    counts = {}
    for run in POINTS:
        prepare(seen, run)
        seen.start()
        seen.world.run(next(ids))
        counts[run] = len(seen.events)
    return counts


def prepare(seen: Watched, run: str) -> None:
    seen.empty()
    if run == "next":
        fill(seen.world, OLD)
        seen.world.run(next(ids))
    fill(seen.world, NEW)


def table(seen: Watched) -> object:
    """The table as a reader sees it, or None if there is none."""
    schema = seen.world.settings["DATABASE_SCHEMA"]
    [(there,)] = seen.world.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = 'user_page_views'", schema
    )
    return seen.world.rows() if there else None


def stored_objects(seen: Watched) -> set[str]:
    """The objects of `NEW` whose current versions are stored as extracts."""
    current = {(key, md5(body, usedforsecurity=False).hexdigest()) for key, body in NEW.items()}
    return {
        item["key"]
        for name, body in seen.world.stored("extracts/").items()
        if name.endswith(".json")
        for item in json.loads(body)["content"]["objects"]
        if (item["key"], item["etag"]) in current
    }


@pytest.mark.parametrize(("run", "where"), points())
def test_a_run_killed_anywhere_leaves_a_whole_table_and_a_rerun_finishes_its_work(
    seen: Watched, events: dict[str, int], tmp_path: Path, run: str, where: float
) -> None:
    prepare(seen, run)
    id, point = next(ids), round(where * events[run])
    started = Future[Run]()

    def at_the_point(event: str, number: int) -> bool:
        if number != point:
            return False
        started.result().kill()
        return True

    seen.start(at_the_point)
    with running(seen.world.name, id, tmp_path) as killed, scratch_in(tmp_path):
        started.set_result(killed)
        assert killed.end() == -9, (point, seen.events[-5:])
        assert table(seen) in (TABLES[run], EXPECTED.rows), seen.events[point - 1]

        stored = stored_objects(seen)
        seen.start()
        summary = seen.world.run(id)
    assert table(seen) == EXPECTED.rows
    assert_account(summary, EXPECTED)
    assert seen.world.execute("SELECT count(*) FROM pipeline_runs WHERE id = %s", id) == [(1,)]
    assert seen.leftovers(tmp_path) == []
    # What the killed run had stored is not parsed again.
    parsed = {key for key in seen.fetched if key in NEW}
    assert not parsed & stored
    assert summary.objects_parsed == len(parsed)
    assert max(seen.fetched.values(), default=1) == 1
