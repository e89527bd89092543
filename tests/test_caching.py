"""Task results in results storage: readable, never lost silently, trusted only as plain JSON."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.results import ResultRecord, ResultRecordMetadata
from prefect.serializers import JSONSerializer, PickleSerializer, Serializer
from prefect.settings import PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

from flows.errors import StorageError
from flows.hello_world import hello_world
from flows.storage.bucket_results import BucketResults
from flows.storage.folder_results import FolderResults
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task, results_in
from flows.user_page_views import user_page_views
from tests.support.documents import endpoint, plant
from tests.support.roles import with_password
from tests.support.runs import state_of, task_runs, task_states
from tests.support.s3_proxy import refusing
from tests.support.world import SECRET_KEY, Services, World
from tests.test_user_page_views import fill, update, view

calls: list[tuple[str, str, str]] = []
"""The calls of the task `greet` that were not cached."""

GREETING = "how do you do"
ID = "an-id"
KEY = f"records/greet/v1/here/{ID}.json"
RAN, CACHED = Counter({("greet", "Completed"): 1}), Counter({("greet", "Cached"): 1})
PASSWORD = "the-database-password-of-the-tests"


@cached_task("greet", 1, "Says something.")
def greet(id: str, environment: str, what: Any = GREETING) -> Any:
    calls.append((environment, id, str(what)))
    if isinstance(what, Exception):
        raise what
    return what


@cached_task("greet", 2, "Says something else under the same name.")
def greet_2(id: str, environment: str) -> str:
    return "good day"


def run(storage: ResultsStorage, id: str = ID, environment: str = "here", what: Any = GREETING) -> State[Any]:
    """Run a flow of one cached task."""

    @flow(persist_result=False)
    def greeting() -> Any:
        with results_in(storage):
            return greet(id, environment, what)

    state = greeting(return_state=True)
    assert isinstance(state, State)
    return state


@pytest.fixture
def storage(tmp_path: Path, prefect_server: None) -> FolderResults:
    """An empty results storage in a folder; `calls` are those of the test."""
    calls.clear()
    return FolderResults(tmp_path / "storage")


@pytest.fixture(scope="module")
def registered(services: Services, prefect_server: None) -> World:
    world = World.new(services)
    world.register(DATABASE_URL=with_password(services.postgres_url, PASSWORD))
    return world


# A result that is stored.


def test_a_result_is_stored_as_readable_json_and_the_next_run_of_the_id_is_cached(storage: FolderResults) -> None:
    assert task_states(run(storage), 1) == RAN
    assert list(storage.list("")) == [KEY]
    record = json.loads(storage.read(KEY) or b"")
    assert json.loads(record["result"]) == GREETING
    assert record["metadata"]["serializer"]["type"] == "json"
    again = run(storage)
    assert task_states(again, 1) == CACHED
    assert again.result() == GREETING
    assert calls == [("here", ID, GREETING)]


def test_a_record_of_another_environment_id_or_version_is_never_used(storage: FolderResults) -> None:
    run(storage)
    run(storage, environment="there")
    run(storage, id="another")
    assert calls == [("here", ID, GREETING), ("there", ID, GREETING), ("here", "another", GREETING)]

    @flow(persist_result=False)
    def second_version() -> str:
        with results_in(storage):
            return greet_2(ID, "here")

    assert second_version() == "good day"
    changes = (("here", "there"), (ID, "another"), ("v1", "v2"))
    assert set(storage.list("")) == {KEY, *(KEY.replace(*change) for change in changes)}


def test_ids_with_odd_characters_have_different_keys(storage: FolderResults) -> None:
    ids = ["a+b:c=d@e-f._", "a:b+c=d@e-f._", "A+b:c=d@e-f._", "a", "a.json", "a" * 128]
    for id in ids:
        assert run(storage, id=id, what=f"of {id}").result() == f"of {id}"
    for id in ids:
        assert run(storage, id=id).result() == f"of {id}"
    assert set(storage.list("")) == {f"records/greet/v1/here/{id}.json" for id in ids}


@pytest.mark.long
def test_the_keys_of_both_flows_are_these_also_with_odd_characters_and_the_storage_contains_no_secret(
    registered: World,
) -> None:
    fill(registered, {"PageViews/1": view(1), "UserUpdates/1": update(1, "a@example.com")})
    user_page_views(id="k:1=a", environment=registered.name)
    ids = ["k:1=a", "a+b:c=d@e-f._", "a:b+c=d@e-f._", "a-hello"]
    for id in ids:
        hello_world(id=id, environment=registered.name)
    stored, name = registered.stored(), f"{registered.name}/k:1=a"
    assert {key for key in stored if "k:1=a" in key and key.startswith("records/")} == {
        *(f"records/list-logs/v3/{name}.json", f"records/count-and-publish/v3/{name}.json"),
        *(f"records/extract-logs/v3/{name}-{number}.json" for number in (0, 1)),
        *(f"records/write-word/v1/{name}-{word}.json" for word in ("hello", "world")),
        f"records/join-words/v1/{name}.json",
    }
    folder = f"records/write-word/v1/{registered.name}"
    assert {f"{folder}/{id}-{word}.json" for id in ids for word in ("hello", "world")} <= stored.keys()
    for secret in (SECRET_KEY, PASSWORD):
        assert not any(secret in f"{key}{body!r}" for key, body in stored.items())


# A result that cannot be stored.


def assert_failed(state: State[Any], tasks: int, *words: str) -> None:
    """The flow run failed, and one of its tasks: the one that could not store its result."""
    assert state_of(state).is_failed()
    failed = [one.state for one in task_runs(state, tasks) if one.state and one.state.is_failed()]
    assert len(failed) == 1
    for word in words:
        assert word in (failed[0].message or "")
    with pytest.raises(StorageError):
        state.result()


def test_a_result_that_cannot_be_written_into_a_folder_fails_the_task(storage: FolderResults, tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "records").write_text("in the way")
    assert_failed(run(storage), 1, "Cannot write", "records/greet", "run again")


def test_a_result_that_cannot_be_written_into_a_bucket_fails_the_task_and_the_flow(registered: World) -> None:
    def records_only(method: str, path: str) -> str | None:
        return "AccessDenied" if method == "PUT" and "/records/" in path else None

    name = f"{registered.name}-no-records"
    with refusing(registered.services.s3_endpoint, records_only) as url:
        plant(registered.name, name, endpoint("results", url))
        state: State[Any] = hello_world(id=ID, environment=name, return_state=True)
        assert_failed(state, 1, "Cannot write", f"{registered.name}-results", "grant them access")
    assert registered.stored(f"records/write-word/v1/{name}/") == {}


def test_a_bucket_that_is_deleted_during_the_run_fails_the_task(services: Services, prefect_server: None) -> None:
    bucket = "deleted-during-the-run"
    services.s3.create_bucket(Bucket=bucket)

    @cached_task("delete-bucket", 1, "Deletes the bucket of its own result.")
    def delete_bucket(id: str, environment: str) -> str:
        services.s3.delete_bucket(Bucket=bucket)
        return "done"

    @flow(persist_result=False)
    def deleting() -> str:
        with results_in(BucketResults(services.s3, bucket, "")):
            return delete_bucket(ID, "here")

    assert_failed(deleting(return_state=True), 1, bucket, "does not exist", "create the bucket")


NO_JSON = {
    "an object": object(),
    "a set": {"a": {1, 2}},
    "a time": datetime(2017, 4, 15, tzinfo=UTC),
    "a path": Path("x"),
    "a member that names a class": {"__class__": "x"},
}


@pytest.mark.parametrize("what", NO_JSON.values(), ids=NO_JSON)
def test_a_result_that_is_not_plain_json_fails_the_task(storage: FolderResults, what: Any) -> None:
    state = run(storage, what=what)
    assert state_of(state).is_failed()
    [task_run] = task_runs(state, 1)
    assert task_run.state
    assert task_run.state.is_failed()
    assert storage.list("") == {}


def test_the_exception_of_a_failed_task_is_not_stored(storage: FolderResults) -> None:
    state = run(storage, what=RuntimeError("not stored"))
    assert state_of(state).is_failed()
    with pytest.raises(RuntimeError, match="not stored"):
        state.result()
    assert storage.list("") == {}
    assert run(storage).result() == GREETING
    assert len(calls) == 2


def test_the_exception_of_a_failed_task_is_not_stored_in_a_bucket(registered: World) -> None:
    name = f"{registered.name}-no-logs"
    plant(registered.name, name, lambda data: data["logs"].update(bucket_name="no-such-bucket"))
    before = registered.stored()
    state: State[Any] = user_page_views(id=ID, environment=name, return_state=True)
    assert state_of(state).is_failed()
    assert registered.stored() == before


def test_a_cached_task_outside_of_a_results_storage_is_an_error(storage: FolderResults, tmp_path: Path) -> None:
    @flow(persist_result=False)
    def careless() -> Any:
        return greet(ID, "here")

    elsewhere = tmp_path / "elsewhere"
    with temporary_settings({PREFECT_RESULTS_LOCAL_STORAGE_PATH: elsewhere}):
        with pytest.raises(StorageError, match="results storage"):
            careless()
        assert not (elsewhere / KEY).exists()


# A record that must not be trusted.


class Bomb:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def a_record(result: Any, serializer: Serializer[Any]) -> bytes:
    """A record as Prefect writes it."""
    metadata = ResultRecordMetadata(serializer=serializer, storage_key=f"/{KEY}")
    content: bytes = ResultRecord(result=result, metadata=metadata).serialize()
    return content


def plain(result: Any = "forged") -> dict[str, Any]:
    """The parts of a record of plain JSON."""
    record: dict[str, Any] = json.loads(a_record(result, JSONSerializer()))
    return record


def assert_refused_and_replaced(storage: FolderResults, content: bytes) -> None:
    storage.write(KEY, content)
    state = run(storage)
    assert task_states(state, 1) == RAN
    assert state.result() == GREETING
    new = json.loads(storage.read(KEY) or b"")
    assert json.loads(new["result"]) == GREETING
    assert new["metadata"]["serializer"] == plain()["metadata"]["serializer"]


def test_a_record_of_plain_json_is_trusted(storage: FolderResults) -> None:
    storage.write(KEY, json.dumps(plain()).encode())
    state = run(storage)
    assert task_states(state, 1) == CACHED
    assert state.result() == "forged"


@pytest.mark.parametrize("type", ["pickle", "compressed/pickle", "called json"])
def test_a_pickle_is_refused_without_unpickling_and_the_run_replaces_it(
    storage: FolderResults, tmp_path: Path, type: str
) -> None:
    proof, marker = tmp_path / "proof", tmp_path / "marker"
    serializer = Serializer(type=type) if type == "compressed/pickle" else PickleSerializer()
    ResultRecord.deserialize(a_record(Bomb(proof), serializer))  # as Prefect does by itself
    assert proof.is_dir()
    content = a_record(Bomb(marker), serializer)
    if type == "called json":
        content = json.dumps(json.loads(content) | {"metadata": plain()["metadata"]}).encode()
    assert_refused_and_replaced(storage, content)
    assert not marker.exists()


def with_serializer(**changes: object) -> bytes:
    """A record that names another reader."""
    record = plain()
    record["metadata"]["serializer"] |= changes
    return json.dumps(record).encode()


def with_result(result: object) -> bytes:
    return json.dumps({**plain(), "result": json.dumps(result)}).encode()


REFUSED = {
    **{
        f"another reader: {changes}": with_serializer(**changes)
        for changes in (
            *({"type": "compressed/json"}, {"jsonlib": "simplejson"}, {"object_decoder": "builtins.dict"}),
            *({"object_decoder": None}, {"object_encoder": "builtins.str"}),
            {"loads_kwargs": {"cls": "json.JSONDecoder"}},
        )
    },
    **{
        f"a result that names a class: {result}": with_result(result)
        for result in (
            {"__class__": "pathlib.PurePath", "data": "x"},
            {"deep": [{"er": {"__class__": "datetime.datetime", "data": "2017-04-15"}}]},
            {"__exc_type__": "x"},
        )
    },
    **{f"{body!r}": body for body in (b"", b"null", b"{}", b'{"metadata": {"serializer": "json"}}', b"\xff")},
    "a result that is no JSON": json.dumps({**plain(), "result": "no json"}).encode(),
    "a record that is cut short": json.dumps(plain()).encode()[:-9],
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_a_record_that_is_damaged_or_not_plain_json_is_refused(storage: FolderResults, content: bytes) -> None:
    assert_refused_and_replaced(storage, content)
