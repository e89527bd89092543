"""The run's process is killed anywhere; the table stays whole, and a rerun finishes the job.

What a run changes outside of itself it changes by requests and statements, so the states that a
kill can leave behind lie between these: a kill comes just before one reaches its service, or just
after it was answered and before the run hears of it.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from random import Random

import pytest
from _pytest.mark.structures import ParameterSet

from tests.support.faults import Watched, ids, scratch_in, watched
from tests.support.model import Model, model
from tests.support.processes import Run, running
from tests.support.world import Services
from tests.test_user_page_views import assert_account

LINES = 2_200
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


OLD = {
    **{f"PageViews/{number}.jsonl": views(number) for number in (1, 2)},
    "UserUpdates/1.csv": updates(1),
}
NEW = {
    **OLD,
    **{f"PageViews/{number}.jsonl": views(number + 10) for number in (2, 3, 4)},
    "UserUpdates/2.csv": updates(2),
}
TABLES = {"first": None, "next": model(OLD)}
EXPECTED = model(NEW)
# Some of these kills in each `make test`, the others in the long run: 60 in all.
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
        put(seen, OLD)
        seen.world.run(next(ids))
    put(seen, NEW)


def put(seen: Watched, objects: dict[str, bytes]) -> None:
    for key, body in objects.items():
        seen.world.put(key, body)


def table(seen: Watched) -> object:
    """The table as a reader sees it, or None where there is none."""
    schema = seen.world.settings["DATABASE_SCHEMA"]
    [(there,)] = seen.world.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = 'user_page_views'",
        schema,
    )
    return seen.world.rows() if there else None


def rows_of(found: Model | None) -> object:
    return None if found is None else found.rows


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
        assert table(seen) in (rows_of(TABLES[run]), EXPECTED.rows), seen.events[point - 1]

        summary = seen.world.run(id)
    assert table(seen) == EXPECTED.rows
    assert_account(summary, EXPECTED)
    assert seen.world.execute("SELECT count(*) FROM pipeline_runs WHERE id = %s", id) == [(1,)]
    assert seen.leftovers(tmp_path) == []
    # What was in hand: of each kind of log, the one unit that its thread was at.
    twice = [key for key, times in seen.fetched.items() if times > 1]
    assert max(seen.fetched.values()) <= 2
    assert sum(key.startswith("PageViews/") for key in twice) <= 1, twice
