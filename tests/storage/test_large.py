"""One object of 1 GB, and ten thousand small ones: whole runs."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from flows.user_page_views import user_page_views
from tests.support.model import model
from tests.support.processes import running
from tests.support.runs import task_states
from tests.support.s3_proxy import Answer, Forward, Request, intercepting
from tests.support.world import Services, World
from tests.test_user_page_views import assert_account, fill, update, view

pytestmark = pytest.mark.long

PLACEHOLDER = b"x" * 12_345
BLOCK_LINES = 2_000


def block() -> bytes:
    """Some hundred lines of a log, of about a thousand bytes each; the object repeats it."""
    random = Random(1)
    lines = []
    for _ in range(BLOCK_LINES):
        record = {
            "ts": f"2017-04-{random.randrange(1, 29):02}T10:00:{random.randrange(60):02}",
            "url": f"/products/{random.randrange(50)}/",
            "environment": random.choice(["production", "production", "staging"]),
            "user_id": random.choice([None, *range(100)]),
            "agent": "a" * random.randrange(1_800),
        }
        lines.append(json.dumps(record))
    return "\n".join(lines).encode() + b"\n"


@contextmanager
def generated(services: Services, world: World, body: bytes, times: int) -> Iterator[str]:
    """An endpoint whose object `PageViews/large` is the body so many times, made on the way."""
    world.put("PageViews/large", PLACEHOLDER)
    length = len(body) * times

    def intercept(request: Request, forward: Forward) -> Answer:
        answer = forward()
        if "list-type" in request.path and isinstance(answer.body, bytes):
            shown, real = (f"<Size>{size}</Size>".encode() for size in (len(PLACEHOLDER), length))
            answer.body = answer.body.replace(shown, real)
        if request.method == "GET" and request.key == "PageViews/large":
            answer.body, answer.length = itertools.repeat(body, times), length
        return answer

    with intercepting(services.s3_endpoint, intercept) as url:
        yield url


def peak_of(services: Services, size: int, scratch: Path) -> int:
    """The peak memory, in MiB, of a run over one object of so many bytes."""
    body = block()
    times = size // len(body)
    world = World.new(services)
    updates = update(1, "one@example.com")
    world.put("UserUpdates/1", updates)
    with generated(services, world, body, times) as url:
        world.register(S3_ENDPOINT_URL=url)
        with running(world.name, "one", scratch) as run:
            summary = run.summary(1_200)
    once = model({"PageViews/large": body, "UserUpdates/1": updates.encode()})
    assert world.rows() == once.rows
    counts = summary.page_views
    assert counts.lines == BLOCK_LINES * times
    assert counts.counted == once.page_views.counted
    assert counts.anonymous == once.page_views.anonymous * times
    assert counts.other_environment == once.page_views.other_environment * times
    assert counts.rejected == 0
    return run.peak


def test_the_memory_of_a_run_does_not_grow_with_an_object(
    services: Services, prefect_server: None, tmp_path: Path
) -> None:
    smaller = peak_of(services, 100_000_000, tmp_path)
    larger = peak_of(services, 1_000_000_000, tmp_path)
    # Up to its memory limit, DuckDB keeps what it has read.
    assert larger < 1_024, (smaller, larger)
    assert larger < 2 * smaller, (smaller, larger)


@pytest.mark.timeout(900)
def test_ten_thousand_small_objects_are_work_for_a_few_tasks(world: World) -> None:
    objects = {
        f"PageViews/{number % 30}/{number:05}.jsonl": (
            view(number % 97, f"/{number % 11}/") * 2 + view(number, "/a/") + view(None)
        ).encode()
        for number in range(10_000)
    } | {"UserUpdates/1": update(1, "one@example.com").encode()}
    expected = model(fill(world, objects))
    state = user_page_views(id="one", environment=world.name, return_state=True)
    summary = state.result()
    assert world.rows() == expected.rows
    assert_account(summary, expected)
    assert summary.objects_parsed == 10_001
    states = task_states(state, expected=4)
    assert {name for _, name in states} == {"Completed"}
    assert states.total() < 12
    stored = world.stored("extracts/")
    units = sum(name.endswith(".json") for name in stored)
    # Of each: its manifest and its events.
    assert (units <= 25, len(stored) <= 2 * units) == (True, True)
    world.put("PageViews/later", view(5))
    assert world.run("two").objects_parsed == 1
