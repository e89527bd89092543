"""The table is a pure function of the log objects, however they were written and loaded."""

import gzip
import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.model import model
from tests.support.world import World
from tests.test_user_page_views import assert_account, fill

# Few values, so that duplicates, ties and late updates are frequent.
INSTANT, LATER = "2017-04-15T10:00:00", "2017-04-16T00:00:00"
TIMES = st.sampled_from(
    [INSTANT, "2017-04-15 10:00:00Z", "2017-04-15T12:00:00+02:00", f"{INSTANT}.5", LATER, "15/04/2017"]
)
ENVIRONMENTS = st.sampled_from(["production", "production", "production", "staging"])
USERS = st.sampled_from([1, 2, "2", -3, None, "", 1.5])
URLS = st.sampled_from(["/a/", "/b/", "/é/", ""])
VIEWS = st.one_of(
    st.fixed_dictionaries({"ts": TIMES, "url": URLS, "environment": ENVIRONMENTS, "user_id": USERS}).map(json.dumps),
    st.sampled_from(["{bad", "", "  ", '{"ts": 1}']),
)
FIELDS = (
    *(TIMES, st.sampled_from(["1", "2", "-3", "x"]), st.sampled_from(["a@example.com", "b@example.com", "", "é"])),
    *(st.sampled_from(["A", "B", "two\nlines"]), ENVIRONMENTS),
)
UPDATES = st.one_of(
    st.tuples(*FIELDS).map(lambda fields: ",".join(f'"{field}"' for field in fields)),
    st.sampled_from(["updated_at,user_id,email,name,environment", "", "four,fields,are,few"]),
)


def _bodies(lines: list[str]) -> st.SearchStrategy[bytes]:
    some = st.lists(st.sampled_from(lines), max_size=8)
    return some.map(lambda chosen: "\n".join(chosen).encode())


def _step(views: list[str], updates: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that are written or overwritten, names that are deleted, and how the flow is run."""
    return st.fixed_dictionaries(
        {
            "views": st.dictionaries(st.sampled_from("abcd"), _bodies(views), max_size=3),
            "updates": st.dictionaries(st.sampled_from("xyz"), _bodies(updates), max_size=2),
            "gone": st.one_of(st.just(set()), st.sets(st.sampled_from("abcdxyz"), max_size=2)),
            "compressed": st.booleans(),
            "how": st.sampled_from(["new", "new", "rerun", "refresh"]),
        }
    )


@st.composite
def runs(draw: st.DrawFn, most: int) -> list[dict[str, Any]]:
    """Steps whose objects share few lines, so that most lines are in several objects."""
    views = draw(st.lists(VIEWS, min_size=2, max_size=6, unique=True))
    updates = draw(st.lists(UPDATES, min_size=2, max_size=6, unique=True))
    return draw(st.lists(_step(views, updates), min_size=1, max_size=most))


_ids = itertools.count()
# Prefect's websocket client uses the module `random` in another thread.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")


@pytest.fixture
def tolerant_world(world: World) -> World:
    """A world in which any share of lines may be rejected."""
    world.register(MAX_REJECTED_RATIO="1")
    return world


def _check(world: World, steps: list[dict[str, Any]]) -> None:
    world.empty("LOGS")
    objects = fill(world, {"PageViews/0": "", "UserUpdates/0": ""})
    id, published = "", None
    for step in steps:
        suffix = ".gz" if step["compressed"] else ""
        changed = {
            f"{prefix}/{name}{suffix}": gzip.compress(body, mtime=0) if suffix else body
            for prefix, kind in (("PageViews", "views"), ("UserUpdates", "updates"))
            for name, body in step[kind].items()
        }
        for key in [key for key in objects if key[-1] in step["gone"]]:
            world.delete(key)
            del objects[key]
        objects |= fill(world, changed)
        if step["how"] == "rerun" and published is not None:
            before = world.rows()
            assert world.run(id) == published
            assert world.rows() == before
            continue
        if step["how"] == "new" or published is None:
            id = f"run-{next(_ids)}"
        published = world.run(id, refresh=step["how"] == "refresh")
        expected = model(objects)
        assert world.rows() == expected.rows
        assert_account(published, expected)


PURE: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=6, derandomize=True, **PURE)
@given(steps=runs(4))
def test_any_records_in_any_objects_loaded_by_any_runs_give_the_models_table(
    tolerant_world: World, steps: list[dict[str, Any]]
) -> None:
    _check(tolerant_world, steps)


@pytest.mark.long
@pytest.mark.timeout(1_500)
@settings(max_examples=50, derandomize=True, **PURE)
@given(steps=runs(6))
def test_many_more_records_objects_and_runs_give_the_models_table(
    tolerant_world: World, steps: list[dict[str, Any]]
) -> None:
    _check(tolerant_world, steps)
