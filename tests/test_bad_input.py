"""Faults outside of the pipeline: each gives one sentence that says what to do."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg2
import pytest
import zstandard
from prefect.client.schemas.objects import State

from blocks.load import load_environment
from flows.counts import Counts
from flows.errors import LogsError, PipelineError, SettingsError, StorageError, WarehouseError
from flows.extracts.accounts import check_rejected
from flows.hello_world import hello_world
from flows.run_id import MAX_INTEGER, RULE, check_id
from flows.user_page_views import user_page_views
from tests.support.documents import Data, endpoint, plant
from tests.support.roles import role_with_password, with_password
from tests.support.runs import logs_of as messages_of
from tests.support.runs import state_of
from tests.support.s3_proxy import refusing
from tests.support.world import SECRET_KEY, Rows, Services, World

PASSWORD = "the-database-password-of-the-tests"
VIEW = json.dumps({"ts": "2017-04-15T17:09:09", "url": "/a/", "environment": "production", "user_id": 1})
UPDATE = "2017-04-01T00:00:42,1,a@example.com,A Name,production"


@dataclass
class Good:
    """A registered environment with a published table, from which broken ones are derived."""

    world: World
    rows: Rows
    number: int = 0

    def broken(self, *changes: Callable[[Data], object]) -> str:
        """The name of an environment like this one, with the same table, with its data changed."""
        self.number += 1
        name = f"{self.world.name}-{self.number}"

        def change(data: Data) -> None:
            for one in changes:
                one(data)

        plant(self.world.name, name, change)
        return name

    def put(self, prefix: str, views: bytes | str, updates: bytes | str) -> None:
        """Put logs under a separate prefix."""
        self.world.put(f"{prefix}/PageViews/1", views)
        self.world.put(f"{prefix}/UserUpdates/1", updates)


@pytest.fixture(scope="module")
def good(services: Services, prefect_server: None) -> Good:
    world = World.new(services)
    world.register(DATABASE_URL=with_password(services.postgres_url, PASSWORD))
    world.put("PageViews/1", VIEW)
    world.put("UserUpdates/1", UPDATE)
    world.run("good")
    # So that the broken environments may publish to its table too.
    world.execute("UPDATE pipeline_runs SET environment = NULL")
    return Good(world, world.rows())


@pytest.fixture
def fails(good: Good, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., str]]:
    """A function that runs the flow, checks that it fails as promised, and returns the message."""

    def run(environment: str, kind: type[PipelineError], *words: str, id: str = "bad") -> str:
        state: State[Any] = user_page_views(id=id, environment=environment, return_state=True)
        with pytest.raises(kind) as error:
            state.result()
        sentence = str(error.value)
        assert "\n" not in sentence
        for word in words:
            assert word in sentence
        found = state_of(state)
        assert found.name == "Failed"
        assert words[0] in (found.message or "")
        log = messages_of(state)
        assert words[0] in log
        for secret in (SECRET_KEY, PASSWORD):
            for place in (sentence, repr(error.value), found.message or "", log, caplog.text):
                assert secret not in place
        assert error.value.__cause__ is None or SECRET_KEY not in str(error.value.__cause__)
        return sentence

    assert good.rows == {(1, "/a/"): ("a@example.com", 1, good.rows[1, "/a/"][2])}
    yield run
    assert good.world.rows() == good.rows
    assert good.world.execute("SELECT id FROM pipeline_runs") == [("good",)]
    assert good.world.execute("SELECT count(*) FROM rejected_records") == [(0,)]


def bucket(which: str, name: str) -> Callable[[Data], object]:
    return lambda data: data[which].update(bucket_name=name)


def prefix(name: str) -> Callable[[Data], object]:
    return lambda data: data["logs"].update(bucket_folder=name)


def database(**changes: str) -> Callable[[Data], object]:
    return lambda data: data["database"].update(changes)


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


# Ids and environments.

BAD_IDS = ["", " ", "-a", ".a", "a b", " a", "a ", "a/b", "../x", "..", "a\\b", "a,b", "a'b", 'a"b']
BAD_IDS += ["{a}", "a" * 129, "\u00e9", "\u0661", "a\n", "\n", "a\0", "-1"]


@pytest.mark.parametrize("id", [*BAD_IDS, -1, True, False, 1.5, 2.0, b"a", ["a"], {"a": 1}, object], ids=repr)
def test_an_id_outside_the_rule_is_an_error_that_shows_the_rule(id: Any) -> None:
    with pytest.raises(ValueError, match="run id") as error:
        check_id(id)
    assert RULE.pattern in str(error.value)


@pytest.mark.parametrize(
    ("flow", "id"),
    [
        *[(hello_world, id) for id in ("../x", "a\n", -1, True, 1.5, 2.0, b"a")],
        *[(user_page_views, id) for id in ("../x", True, 1.5)],
    ],
    ids=lambda value: getattr(value, "name", repr(value)),
)
def test_a_flow_checks_the_id_before_it_touches_anything(good: Good, services: Services, flow: Any, id: Any) -> None:
    untouched, schema = World.new(services), "never_created"
    changes = [bucket("results", untouched.settings["RESULTS_BUCKET"]), database(schema_name=schema)]
    state: State[Any] = flow(id=id, environment=good.broken(*changes), return_state=True)
    assert untouched.stored() == {}
    assert good.world.execute(f"SELECT to_regnamespace('{schema}')") == [(None,)]
    assert state_of(state).name == "Failed"
    with pytest.raises(ValueError, match="run id") as error:
        state.result()
    assert RULE.pattern in str(error.value)


@pytest.mark.parametrize("id", ["a", "A", "0", "9-", "a.b_c:d+e=f@g-h", "a" * 128, 0, 7, 20170415, MAX_INTEGER])
def test_an_id_that_matches_the_rule_is_used_unchanged_and_an_integer_as_its_digits(id: str | int) -> None:
    assert check_id(id) == str(id)


def test_an_integer_that_prefect_cannot_carry_is_refused_and_must_be_quoted() -> None:
    assert MAX_INTEGER == 9007199254740991
    for id in (MAX_INTEGER + 1, 2**63, 10**30):
        with pytest.raises(ValueError, match=f"at most {MAX_INTEGER}") as error:
            check_id(id)
        assert "Quote larger ones" in str(error.value)
    assert check_id("9007199254740993") == "9007199254740993"


def test_an_unknown_environment_is_an_error_that_lists_the_known_ones(good: Good, fails: Callable[..., str]) -> None:
    sentence = fails("nowhere", SettingsError, "'nowhere'", "python -m blocks.register")
    known = sentence.partition("Known environments: ")[2].partition(". ")[0].split(", ")
    assert known[0] == "local"
    assert good.world.name in known


@pytest.mark.parametrize("name", ["", "Local", "a b", "../x", "a" * 32, "production\n"])
def test_a_name_that_no_environment_can_have_is_an_unknown_environment(good: Good, name: str) -> None:
    with pytest.raises(SettingsError, match="There is no environment") as error:
        load_environment(name)
    assert repr(name) in str(error.value)


# Buckets.


@pytest.mark.parametrize(("which", "where"), [("logs", "list the logs"), ("results", "results storage")])
def test_a_missing_bucket_is_named(good: Good, fails: Callable[..., str], which: str, where: str) -> None:
    name = good.broken(bucket(which, "no-such-bucket"))
    fails(name, StorageError, "'no-such-bucket'", where, "does not exist", "create the bucket")


def test_a_missing_results_bucket_is_named_by_hello_world_too(good: Good) -> None:
    name = good.broken(bucket("results", "no-such-results"))
    with pytest.raises(StorageError, match=r"'no-such-results' does not exist: correct the name"):
        hello_world(id="bad", environment=name)


@pytest.mark.parametrize(
    ("which", "path", "words"),
    [
        ("logs", "", ["list the logs"]),
        ("logs", "PageViews/1", ["'forbidden/PageViews/1'"]),
        ("results", "", ["results storage"]),
    ],
    ids=["the logs bucket", "a log object", "the results bucket"],
)
def test_what_is_forbidden_is_named_with_the_remedy(
    good: Good, services: Services, fails: Callable[..., str], which: str, path: str, words: list[str]
) -> None:
    good.put("forbidden", VIEW, UPDATE)
    named = [] if path else [repr(good.world.settings[f"{which.upper()}_BUCKET"])]
    with refusing(services.s3_endpoint, lambda _, asked: "AccessDenied" if path in asked else None) as url:
        name = good.broken(endpoint(which, url), prefix("forbidden"))
        fails(name, StorageError, *named, *words, "grant them access")


@pytest.mark.parametrize("which", ["logs", "results"])
def test_an_s3_endpoint_that_is_down_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str], closed_port: int, no_s3_waits: None, which: str
) -> None:
    name = good.broken(endpoint(which, f"http://127.0.0.1:{closed_port}"))
    words = (good.world.settings[f"{which.upper()}_BUCKET"], "S3_ENDPOINT_URL", "reaches")
    fails(name, StorageError, *words)


# The database.


def test_a_database_that_is_down_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str], closed_port: int
) -> None:
    where = f"127.0.0.1:{closed_port}/pages"
    remedy = "start it, or correct the host and port in DATABASE_URL"
    url = f"postgresql://someone:{PASSWORD}@{where}"
    fails(good.broken(database(url=url)), WarehouseError, where, "does not answer", remedy)


@pytest.fixture(scope="module")
def guarded(good: Good) -> Iterator[str]:
    """A role whose password the database checks."""
    with role_with_password(good.world, "guarded") as role:
        psycopg2.connect(good.world.settings["DATABASE_URL"].replace(f"postgres:{PASSWORD}", f"{role}:another")).close()
        yield role


@pytest.mark.parametrize(
    ("password", "remedy"),
    [
        (PASSWORD, "refuses the user or password: register the right ones"),
        ("", "asks for a password: put one into DATABASE_URL"),
    ],
    ids=["a wrong one", "none"],
)
def test_a_database_that_refuses_the_password_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str], guarded: str, password: str, remedy: str
) -> None:
    right = good.world.settings["DATABASE_URL"]
    url = right.replace(f"postgres:{PASSWORD}", f"{guarded}:{password}")
    fails(good.broken(database(url=url)), WarehouseError, "/postgres", remedy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/postgres?", "/no_such_database?"), ["no_such_database", "does not exist", "correct it, or create"]),
        (("//postgres:", "//nobody:"), ['"nobody"', "does not exist"]),
    ],
    ids=["database", "role"],
)
def test_a_database_or_role_that_does_not_exist_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str], change: tuple[str, str], words: list[str]
) -> None:
    url = good.world.settings["DATABASE_URL"].replace(*change)
    fails(good.broken(database(url=url)), WarehouseError, *words, "DATABASE_URL")


def test_a_role_that_may_not_log_in_or_create_is_told_what_was_refused(good: Good, fails: Callable[..., str]) -> None:
    for role, login, words in (
        ("locked", "NOLOGIN", ('"locked"', "log in")),
        ("powerless", "LOGIN", ("permission denied", "42501", "run the same id again")),
    ):
        good.world.execute(f"CREATE ROLE {role} {login}")
        url = good.world.settings["DATABASE_URL"].replace("//postgres:", f"//{role}:")
        sentence = fails(good.broken(database(url=url, schema_name="new_one")), WarehouseError, *words)
        assert "does not answer" not in sentence
        good.world.execute(f"DROP ROLE {role}")


# The logs.


MARKERS = ["PageViews/", "PageViews/_SUCCESS", "PageViews/.hidden", "PageViews/a/"]
WITHOUT_LOGS = {
    "only-updates": (["UserUpdates/1"], "under PageViews/ in"),
    "only-views": (["PageViews/1"], "under UserUpdates/ in"),
    "nothing": ([], "under PageViews/ or UserUpdates/ in"),
    "markers": (["UserUpdates/1", *MARKERS], "under PageViews/ in"),
}


@pytest.mark.parametrize("name", WITHOUT_LOGS)
def test_a_prefix_without_logs_is_named_with_the_remedy(good: Good, fails: Callable[..., str], name: str) -> None:
    keys, missing = WITHOUT_LOGS[name]
    for key in keys:
        good.world.put(f"{name}/{key}", {"UserUpdates/1": UPDATE, "PageViews/1": VIEW}.get(key, ""))
    where = f"s3://{good.world.settings['LOGS_BUCKET']}/{name}/"
    words = (missing, where, "Nothing was published", "LOGS_BUCKET and LOGS_PREFIX")
    fails(good.broken(prefix(name)), LogsError, *words)


WHOLE = gzip.compress((VIEW + "\n").encode() * 2_000, mtime=0)
BROKEN: dict[str, bytes | str] = {
    "truncated.gz": WHOLE[:-9],
    "not-gzip.gz": VIEW,
    "truncated.zst": zstandard.compress(VIEW.encode())[:-3],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_run_with_an_object_that_cannot_be_decompressed_fails_with_the_remedy(
    good: Good, fails: Callable[..., str], name: str
) -> None:
    good.put(name, VIEW, UPDATE)
    good.world.put(f"{name}/PageViews/1-{name}", BROKEN[name])
    words = (f"'{name}/PageViews/1-{name}'", "decompressed", "upload it again", "run the same id again")
    fails(good.broken(prefix(name)), LogsError, *words)


def lines(good_ones: int, bad_ones: int, good_one: str, bad_one: str = "bad") -> bytes:
    return (f"{good_one}\n" * good_ones + f"{bad_one}\n" * bad_ones).encode()


views, updates = partial(lines, good_one=VIEW), partial(lines, good_one=UPDATE)


@pytest.mark.parametrize("kind", ["PageViews", "UserUpdates"])
def test_too_many_rejects_of_either_kind_fail_the_run_and_the_worst_objects_are_named(
    good: Good, fails: Callable[..., str], kind: str
) -> None:
    name = f"rejects-of-{kind}"
    good.put(name, views(100, 0), updates(100, 0))
    many = views if kind == "PageViews" else updates
    for number in range(1, 8):
        good.world.put(f"{name}/{kind}/bad-{number}", many(0, number))
    sentence = fails(
        good.broken(prefix(name)),
        LogsError,
        f"28 of 128 lines under {kind}/ were rejected (21.9 %)",
        "max_rejected_ratio allows (5 %)",
        "Nothing was published",
        f"'{name}/{kind}/bad-7' with 7 of 7 (malformed 7)",
        "Fix or remove these objects, or raise MAX_REJECTED_RATIO",
        "run the same id again",
    )
    named = [number for number in range(1, 8) if f"{kind}/bad-{number}'" in sentence]
    assert named == [3, 4, 5, 6, 7]
    assert f"{kind}/1'" not in sentence


@pytest.mark.parametrize("name", ["packed", "packed-twice.gz", "latin-1"])
def test_rejects_of_objects_that_are_not_utf8_come_with_a_hint(
    good: Good, fails: Callable[..., str], name: str
) -> None:
    body = {"packed": WHOLE, "packed-twice.gz": gzip.compress(WHOLE), "latin-1": b"\xe4\n" * 9}[name]
    good.put(name, VIEW, UPDATE)
    good.world.put(f"{name}/PageViews/{name}", body)
    fails(good.broken(prefix(name)), LogsError, f"PageViews/{name}' with", "not_utf8", "look compressed (name them .gz")


def test_a_run_passes_at_exactly_the_ratio_of_rejects_and_fails_just_above(
    good: Good, fails: Callable[..., str]
) -> None:
    def tenth(data: Data) -> None:
        data["max_rejected_ratio"] = 0.1

    good.put("at", views(19, 1), updates(9, 1))
    name = good.broken(prefix("at"), tenth, database(schema_name="at_the_ratio"))
    summary = user_page_views(id="at", environment=name)
    assert (summary.page_views.rejected, summary.user_updates.rejected) == (1, 1)
    good.put("above", views(9, 1), updates(17, 2))
    words = ("2 of 19 lines under UserUpdates/", "Nothing was published")
    fails(good.broken(prefix("above"), tenth), LogsError, *words)


@pytest.mark.parametrize("lines", [7, 20, 100, 1_000])
def test_at_any_ratio_exactly_as_many_rejects_pass_and_one_more_fails(lines: int) -> None:
    def check(rejected: int, ratio: float) -> None:
        counts = Counts(lines, lines - rejected, rejected=rejected, reasons={"malformed": rejected})
        check_rejected("page_views", {"x": counts}, ratio)

    for most in range(lines):
        check(most, most / lines)
        with pytest.raises(LogsError):
            check(most + 1, most / lines)
