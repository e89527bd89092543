"""What goes wrong outside of the pipeline: each is one sentence that says what to do."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import zstandard
from botocore.retries.standard import ExponentialBackoff
from prefect.client.schemas.objects import State

from blocks.load import load_environment
from flows.errors import LogsError, PipelineError, SettingsError, StorageError, WarehouseError
from flows.hello_world import hello_world
from flows.logs.account import check_rejected
from flows.logs.counts import Counts
from flows.logs.streams import decompressed
from flows.run_id import RULE, check_id
from flows.tasks.places import logs_of
from flows.user_page_views import user_page_views
from tests.support.documents import Data, plant
from tests.support.runs import logs_of as messages_of
from tests.support.runs import state_of
from tests.support.s3_proxy import refusing
from tests.support.world import SECRET_KEY, Rows, Services, World

PASSWORD = "the-database-password-of-the-tests"
VIEW = json.dumps(
    {"ts": "2017-04-15T17:09:09", "url": "/a/", "environment": "production", "user_id": 1}
)
UPDATE = "2017-04-01T00:00:42,1,a@example.com,A Name,production"


@dataclass
class Good:
    """A registered environment with a published table, from which broken ones are made."""

    world: World
    rows: Rows
    number: int = 0

    def broken(self, *changes: Callable[[Data], object]) -> str:
        """The name of an environment like this one, on the same table, with its data changed."""
        self.number += 1
        name = f"{self.world.name}-{self.number}"

        def change(data: Data) -> None:
            for one in changes:
                one(data)

        plant(self.world.name, name, change)
        return name

    def put(
        self,
        prefix: str,
        views: bytes | str | None,
        updates: bytes | str | None,
        suffix: str = "",
    ) -> None:
        """Put logs under a prefix of its own."""
        for kind, body in (("PageViews", views), ("UserUpdates", updates)):
            if body is not None:
                self.world.put(f"{prefix}/{kind}/1{suffix}", body)


@pytest.fixture(scope="module")
def good(services: Services, prefect_server: None) -> Good:
    world = World.new(services)
    url = services.postgres_url.replace("postgres:@", f"postgres:{PASSWORD}@")
    assert PASSWORD in url
    world.register(DATABASE_URL=url)
    world.put("PageViews/1", VIEW)
    world.put("UserUpdates/1", UPDATE)
    world.run("good")
    return Good(world, world.rows())


@pytest.fixture
def fails(good: Good, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., str]]:
    """A call that runs the flow, sees it fail as promised, and gives the error's sentence."""

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


def endpoint(which: str, url: str) -> Callable[[Data], object]:
    return lambda data: data[which]["credentials"]["aws_client_parameters"].update(endpoint_url=url)


def database(url: str) -> Callable[[Data], object]:
    return lambda data: data["database"].update(url=url)


def in_schema(name: str) -> Callable[[Data], object]:
    return lambda data: data["database"].update(schema_name=name)


def most_rejected(ratio: float) -> Callable[[Data], object]:
    return lambda data: data.update(max_rejected_ratio=ratio)


@pytest.fixture
def closed_port() -> int:
    """A port where nobody answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


# Ids and environments.

BAD_IDS = ["", " ", "-a", ".a", "a b", " a", "a ", "a/b", "../x", "..", "a\\b", "a,b", "a'b", 'a"b']
BAD_IDS += ["{a}", "a" * 129, "\u00e9", "\u0661", "a\n", "\n", "a\0", "-1"]


@pytest.mark.parametrize(
    "id", [*BAD_IDS, -1, True, False, 1.5, 2.0, b"a", ["a"], {"a": 1}, object], ids=repr
)
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
def test_a_flow_looks_at_the_id_before_anything_is_touched(
    good: Good, services: Services, flow: Any, id: Any
) -> None:
    untouched, schema = World.new(services), "never_made"
    changes = [bucket("results", untouched.settings["RESULTS_BUCKET"]), in_schema(schema)]
    state: State[Any] = flow(id=id, environment=good.broken(*changes), return_state=True)
    assert untouched.stored() == {}
    assert good.world.execute(f"SELECT to_regnamespace('{schema}')") == [(None,)]
    assert state_of(state).name == "Failed"
    with pytest.raises(ValueError, match="run id") as error:
        state.result()
    assert RULE.pattern in str(error.value)


@pytest.mark.parametrize("id", ["a", "A", "0", "9-", "a.b_c:d+e=f@g-h", "a" * 128])
def test_an_id_of_the_rule_is_taken_as_it_is(id: str) -> None:
    assert check_id(id) == id


def test_an_id_given_as_an_integer_is_its_digits() -> None:
    assert [check_id(id) for id in (0, 7, 20170415)] == ["0", "7", "20170415"]


def test_an_unknown_environment_is_an_error_that_lists_those_that_are_known(
    good: Good, fails: Callable[..., str]
) -> None:
    sentence = fails("nowhere", SettingsError, "'nowhere'", "python -m blocks.register")
    known = sentence.partition("Known here: ")[2].partition(". ")[0].split(", ")
    assert known[0] == "local"
    assert good.world.name in known


@pytest.mark.parametrize("name", ["", "Local", "a b", "../x", "a" * 32, "production\n"])
def test_a_name_that_no_environment_can_have_is_an_unknown_environment(
    good: Good, name: str
) -> None:
    with pytest.raises(SettingsError, match="There is no environment") as error:
        load_environment(name)
    assert repr(name) in str(error.value)


# Buckets.


def test_a_logs_bucket_that_is_not_there_is_named(good: Good, fails: Callable[..., str]) -> None:
    fails(
        good.broken(bucket("logs", "no-such-logs")),
        StorageError,
        "'no-such-logs'",
        "list the logs",
        "does not exist",
        "create the bucket",
    )


def test_a_results_bucket_that_is_not_there_is_named(good: Good, fails: Callable[..., str]) -> None:
    fails(
        good.broken(bucket("results", "no-such-results")),
        StorageError,
        "'no-such-results'",
        "results storage",
        "does not exist",
        "create the bucket",
    )


def test_a_results_bucket_that_is_not_there_is_named_by_hello_world_too(good: Good) -> None:
    name = good.broken(bucket("results", "no-such-results"))
    with pytest.raises(StorageError, match=r"'no-such-results' does not exist: correct the name"):
        hello_world(id="bad", environment=name)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId", "register valid AWS credentials"),
        ("SignatureDoesNotMatch", "register valid AWS credentials"),
        ("ExpiredToken", "register fresh AWS credentials"),
    ],
)
def test_credentials_that_s3_refuses_are_told_apart(
    good: Good, services: Services, code: str, words: str
) -> None:
    logs = good.world.settings["LOGS_BUCKET"]
    with refusing(services.s3_endpoint, lambda method, path: code) as url:
        environment = load_environment(good.broken(endpoint("logs", url)))
        with pytest.raises(StorageError, match=words) as error:
            list(logs_of(environment).list("PageViews/"))
    assert repr(logs) in str(error.value)
    assert SECRET_KEY not in str(error.value)


def test_a_logs_bucket_that_is_forbidden_is_named_with_the_remedy(
    good: Good, services: Services, fails: Callable[..., str]
) -> None:
    logs = good.world.settings["LOGS_BUCKET"]
    with refusing(services.s3_endpoint, lambda method, path: "AccessDenied") as url:
        name = good.broken(endpoint("logs", url))
        fails(name, StorageError, repr(logs), "list the logs", "grant them access")


def test_a_log_object_that_is_forbidden_is_named(
    good: Good, services: Services, fails: Callable[..., str]
) -> None:
    good.put("forbidden", VIEW.encode(), UPDATE.encode())

    def objects_only(method: str, path: str) -> str | None:
        return "AccessDenied" if "PageViews/1" in path else None

    with refusing(services.s3_endpoint, objects_only) as url:
        name = good.broken(endpoint("logs", url), prefix("forbidden"))
        fails(name, StorageError, "'forbidden/PageViews/1'", "grant them access")


def test_a_results_bucket_that_is_forbidden_is_named_with_the_remedy(
    good: Good, services: Services, fails: Callable[..., str]
) -> None:
    results = good.world.settings["RESULTS_BUCKET"]
    with refusing(services.s3_endpoint, lambda method, path: "AccessDenied") as url:
        name = good.broken(endpoint("results", url))
        fails(name, StorageError, repr(results), "results storage", "grant them access")


@pytest.mark.parametrize("which", ["logs", "results"])
def test_an_s3_endpoint_that_is_down_is_named_with_the_remedy(
    good: Good,
    fails: Callable[..., str],
    closed_port: int,
    which: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The retries are botocore's own; only their waits are left out.
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *args: 0)
    name = good.broken(endpoint(which, f"http://127.0.0.1:{closed_port}"))
    words = (good.world.settings[f"{which.upper()}_BUCKET"], "S3_ENDPOINT_URL", "reaches")
    fails(name, StorageError, *words)


def test_results_storage_in_a_folder_that_cannot_be_made_is_named(
    good: Good, fails: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = str(tmp_path / "file" / "storage")

    def change(data: Data) -> None:
        data["results"] = {"basepath": folder, "block_type_slug": "local-file-system"}

    fails(good.broken(change), StorageError, folder, "results storage", "run again")


# The database.


def test_a_database_that_is_down_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str], closed_port: int
) -> None:
    url = f"postgresql://someone:{PASSWORD}@127.0.0.1:{closed_port}/pages"
    fails(
        good.broken(database(url)),
        WarehouseError,
        f"127.0.0.1:{closed_port}/pages",
        "does not answer",
        "start it, or correct the host and port in DATABASE_URL",
    )


def reload_settings(url: str) -> None:
    """Have the database read its files again, and wait until it has."""
    end = time.monotonic() + 30
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT pg_conf_load_time(), pg_reload_conf()")
        [before] = [row[0] for row in cursor.fetchall()]
        loaded = before
        while loaded == before:
            assert time.monotonic() < end
            cursor.execute("SELECT pg_conf_load_time()")
            [loaded] = [row[0] for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def role_with_password(good: Good) -> Iterator[str]:
    """A role whose password the database checks."""
    url = good.world.settings["DATABASE_URL"]
    [(hba,)] = good.world.execute("SHOW hba_file")
    before = Path(hba).read_text()
    good.world.execute("CREATE ROLE guarded LOGIN PASSWORD 'another'")
    Path(hba).write_text("local all guarded scram-sha-256\n" + before)
    reload_settings(url)
    psycopg2.connect(url.replace(f"postgres:{PASSWORD}", "guarded:another")).close()
    yield "guarded"
    Path(hba).write_text(before)
    reload_settings(url)
    good.world.execute("DROP ROLE guarded")


@pytest.mark.parametrize(
    ("password", "remedy"),
    [
        (PASSWORD, "refuses the user or password: register the right ones"),
        ("", "asks for a password: put one into DATABASE_URL"),
    ],
    ids=["a wrong one", "none"],
)
def test_a_database_that_refuses_the_password_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str], role_with_password: str, password: str, remedy: str
) -> None:
    right = good.world.settings["DATABASE_URL"]
    url = right.replace(f"postgres:{PASSWORD}", f"{role_with_password}:{password}")
    fails(good.broken(database(url)), WarehouseError, "/postgres", remedy)


def test_a_database_that_does_not_exist_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str]
) -> None:
    url = good.world.settings["DATABASE_URL"].replace("/postgres?", "/no_such_database?")
    words = ("no_such_database", "does not exist", "DATABASE_URL", "correct it, or create")
    fails(good.broken(database(url)), WarehouseError, *words)


def test_a_role_that_does_not_exist_is_named_with_the_remedy(
    good: Good, fails: Callable[..., str]
) -> None:
    url = good.world.settings["DATABASE_URL"].replace("//postgres:", "//nobody:")
    fails(good.broken(database(url)), WarehouseError, '"nobody"', "does not exist", "DATABASE_URL")


def test_a_role_that_may_not_log_in_is_named_and_not_called_down(
    good: Good, fails: Callable[..., str]
) -> None:
    good.world.execute("CREATE ROLE locked NOLOGIN")
    url = good.world.settings["DATABASE_URL"].replace("//postgres:", "//locked:")
    sentence = fails(good.broken(database(url)), WarehouseError, '"locked"', "log in")
    assert "does not answer" not in sentence
    good.world.execute("DROP ROLE locked")


def test_a_role_that_may_not_create_is_told_what_was_refused(
    good: Good, fails: Callable[..., str]
) -> None:
    good.world.execute("CREATE ROLE powerless LOGIN")
    url = good.world.settings["DATABASE_URL"].replace("//postgres:", "//powerless:")
    name = good.broken(database(url), in_schema("new_one"))
    fails(name, WarehouseError, "permission denied", "42501", "run the same id again")
    good.world.execute("DROP ROLE powerless")


# The logs.


@pytest.mark.parametrize(
    ("name", "views", "updates", "missing"),
    [
        ("only-updates", None, UPDATE, "under PageViews/ in"),
        ("only-views", VIEW, None, "under UserUpdates/ in"),
        ("nothing", None, None, "under PageViews/ nor under UserUpdates/ in"),
    ],
)
def test_a_prefix_without_logs_is_named_with_the_remedy(
    good: Good,
    fails: Callable[..., str],
    name: str,
    views: str | None,
    updates: str | None,
    missing: str,
) -> None:
    good.put(name, views, updates)
    where = f"s3://{good.world.settings['LOGS_BUCKET']}/{name}/"
    words = (missing, where, "Nothing was published", "LOGS_BUCKET and LOGS_PREFIX")
    fails(good.broken(prefix(name)), LogsError, *words)


def test_markers_and_folders_alone_are_no_logs(good: Good, fails: Callable[..., str]) -> None:
    good.put("markers", None, UPDATE.encode())
    for key in ("PageViews/", "PageViews/_SUCCESS", "PageViews/.hidden", "PageViews/a/"):
        good.world.put(f"markers/{key}", b"")
    fails(good.broken(prefix("markers")), LogsError, "under PageViews/ in", "markers/")


WHOLE = gzip.compress((VIEW + "\n").encode() * 2_000, mtime=0)


BROKEN = {
    "truncated.gz": WHOLE[:-9],
    "cut-in-its-header.gz": WHOLE[:5],
    "second-member-truncated.gz": WHOLE + WHOLE[:-20],
    "not-gzip.gz": VIEW.encode(),
    "wrong-sum.gz": WHOLE[:-8] + b"\0" * 8,
    "rubbish-after-it.gz": WHOLE + b"rubbish",
    "damaged.gz": WHOLE[:20] + b"\xff" * 20 + WHOLE[40:],
    "not-zstandard.zst": VIEW.encode(),
    "truncated.zst": zstandard.compress(VIEW.encode())[:-3],
    "rubbish-after-it.zst": zstandard.compress(VIEW.encode()) + b"rubbish",
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_object_that_cannot_be_decompressed_is_named(name: str) -> None:
    with pytest.raises(LogsError, match="decompressed to its end") as error:
        list(decompressed(io.BytesIO(BROKEN[name]), name))
    assert repr(name) in str(error.value)


@pytest.mark.parametrize("name", ["truncated.gz", "not-gzip.gz", "truncated.zst"])
def test_a_run_with_an_object_that_cannot_be_decompressed_fails_with_the_remedy(
    good: Good, fails: Callable[..., str], name: str
) -> None:
    good.put(name, BROKEN[name], None, suffix=f"-{name}")
    good.put(name, None, UPDATE.encode())
    words = (
        f"'{name}/PageViews/1-{name}'",
        "decompressed",
        "upload it again",
        "run the same id again",
    )
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
        f"28 of 128 lines under {kind}/ were rejected (21.9%)",
        "max_rejected_ratio allows (5.0%)",
        "Nothing was published",
        f"'{name}/{kind}/bad-7' with 7 of 7 (malformed 7)",
        "Mend or take away these objects, or raise MAX_REJECTED_RATIO",
        "run the same id again",
    )
    named = [number for number in range(1, 8) if f"{kind}/bad-{number}'" in sentence]
    assert named == [3, 4, 5, 6, 7]
    assert f"{kind}/1'" not in sentence


def test_a_run_passes_at_the_very_ratio_of_rejects(good: Good) -> None:
    good.put("at", views(19, 1), updates(9, 1))
    name = good.broken(prefix("at"), most_rejected(0.1), in_schema("at_the_ratio"))
    summary = user_page_views(id="at", environment=name)
    assert (summary.page_views.rejected, summary.user_updates.rejected) == (1, 1)


def test_a_run_fails_just_above_the_ratio_of_rejects(good: Good, fails: Callable[..., str]) -> None:
    good.put("above", views(9, 1), updates(17, 2))
    name = good.broken(prefix("above"), most_rejected(0.1))
    fails(name, LogsError, "2 of 19 lines under UserUpdates/", "Nothing was published")


@pytest.mark.parametrize("lines", [7, 20, 100, 1_000])
def test_whatever_the_ratio_just_as_many_rejects_pass_and_one_more_does_not(lines: int) -> None:
    wrong = []
    for rejected in range(lines):
        ratio = rejected / lines
        accounts = [
            {"x": Counts(lines, lines - many, rejected=many, reasons={"malformed": many})}
            for many in (rejected, rejected + 1)
        ]
        try:
            check_rejected("page_views", accounts[0], ratio)
        except LogsError:
            wrong.append(rejected)
        with pytest.raises(LogsError):
            check_rejected("page_views", accounts[1], ratio)
    assert wrong == []
