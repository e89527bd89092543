"""The flow hello-world: contract, section 7, and the promises of its docstring."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.hello_world import hello_world
from tests.support.documents import plant
from tests.support.runs import flow_run_of, run_scheduled, state_of, task_states
from tests.support.world import Services, World

FILES = {"hello": b"Hello", "world": b"World", "hello_world": b"Hello World"}
TASKS = {"hello": "write hello", "world": "write world", "hello_world": "join words"}
ALL_RAN = Counter((task, "Completed") for task in TASKS.values())
ALL_CACHED = Counter((task, "Cached") for task in TASKS.values())


class Place:
    """An environment whose results bucket keeps every version of every object."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bucket = world.settings["RESULTS_BUCKET"]
        world.services.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def run(self, id: str | int | None) -> State[Any]:
        """Run the flow."""
        state: State[Any] = hello_world(id=id, environment=self.world.name, return_state=True)
        return state

    def files(self, id: str) -> dict[str, bytes]:
        """The outputs of an id, by their keys."""
        return self.world.stored(f"results/{id}/")

    def versions(self, part: str) -> dict[str, list[str]]:
        """All versions of each object whose key contains this part."""
        answer = self.world.services.s3.list_object_versions(Bucket=self.bucket)
        found: dict[str, list[str]] = {}
        for version in answer.get("Versions", []):
            if part in version["Key"]:
                found.setdefault(version["Key"], []).append(version["VersionId"])
        return found

    def delete(self, name: str) -> None:
        """Delete an object; its versions stay."""
        assert name in self.world.stored()
        self.world.services.s3.delete_object(Bucket=self.bucket, Key=name)


@pytest.fixture(scope="module")
def place(services: Services, prefect_server: None) -> Place:
    world = World.new(services)
    world.register()
    return Place(world)


def expected_files(id: str) -> dict[str, bytes]:
    return {f"results/{id}/{name}.txt": body for name, body in FILES.items()}


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_it_writes_three_files_with_the_words_and_a_rerun_is_cached_and_writes_nothing(place: Place) -> None:
    state = place.run("files")
    assert state.result() == "Hello World"
    assert state_of(state).is_completed()
    assert place.files("files") == expected_files("files")
    assert task_states(state, 3) == ALL_RAN
    assert flow_run_of(state).name == f"files · {place.world.name}"
    before = place.versions("")
    state = place.run("files")
    assert state.result() == "Hello World"
    assert task_states(state, 3) == ALL_CACHED
    assert place.versions("") == before


def test_another_id_runs_and_does_not_touch_the_files_of_the_first(place: Place) -> None:
    place.run("one")
    before = place.versions("/one")
    state = place.run("other")
    assert task_states(state, 3) == ALL_RAN
    assert place.files("other") == expected_files("other")
    assert place.versions("/one") == before


@pytest.mark.parametrize("word", FILES)
def test_only_the_output_that_was_deleted_is_written_again(place: Place, word: str) -> None:
    id = f"without-{word}"
    place.run(id)
    place.delete(f"results/{id}/{word}.txt")
    before = place.versions(f"results/{id}/")
    state = place.run(id)
    assert state.result() == "Hello World"
    assert place.files(id) == expected_files(id)
    after = place.versions(f"results/{id}/")
    written = {name: len(after[name]) - len(before[name]) for name in after}
    assert written == {f"results/{id}/{name}.txt": int(name == word) for name in FILES}
    assert task_states(state, 3) == Counter(
        (task, "Completed" if name == word else "Cached") for name, task in TASKS.items()
    )


def test_existing_outputs_are_not_rewritten_if_the_cache_records_are_lost(place: Place) -> None:
    place.run("lost")
    for name in place.versions("/lost"):
        if name.startswith("records/"):
            place.delete(name)
    before = place.versions("results/lost/")
    state = place.run("lost")
    assert state.result() == "Hello World"
    assert task_states(state, 3) == ALL_RAN
    assert place.versions("results/lost/") == before
    assert task_states(place.run("lost"), 3) == ALL_CACHED


def test_an_output_that_a_user_has_written_is_not_overwritten(place: Place) -> None:
    place.world.services.s3.put_object(Bucket=place.bucket, Key="results/mine/hello.txt", Body=b"Goodbye")
    assert place.run("mine").result() == "Goodbye World"
    assert place.files("mine")["results/mine/hello.txt"] == b"Goodbye"


def test_the_default_id_is_the_date_of_the_run(place: Place) -> None:
    before = today()
    place.run(None)
    dates = {before, today()}  # two if midnight came in between
    assert any(place.files(date) == expected_files(date) for date in dates)


def test_the_default_id_of_a_scheduled_run_is_the_date_it_was_due(place: Place) -> None:
    due = datetime.now(UTC) - timedelta(days=40)
    run_scheduled(hello_world, due, environment=place.world.name)
    id = due.date().isoformat()
    assert place.files(id) == expected_files(id)


def test_results_are_stored_under_the_results_prefix(place: Place) -> None:
    world = World.new(place.world.services)
    in_a_folder = {"bucket_name": world.settings["RESULTS_BUCKET"], "bucket_folder": "team/results"}
    plant(place.world.name, world.name, lambda data: data["results"].update(in_a_folder))
    assert hello_world(id="1", environment=world.name) == "Hello World"
    stored = world.stored()
    assert {name: stored[f"team/results/{name}"] for name in expected_files("1")} == expected_files("1")
    assert all(name.startswith("team/results/") for name in stored)


@pytest.fixture
def local_folder(work_folder: Path, prefect_server: None) -> Path:
    """An empty working directory, where the environment `local` is used."""
    assert list(work_folder.iterdir()) == []
    return work_folder


def test_in_an_empty_directory_the_local_environment_creates_what_it_needs(local_folder: Path) -> None:
    assert hello_world(id="123") == "Hello World"
    assert [path.name for path in local_folder.iterdir()] == [".local"]
    found = {
        path.relative_to(path.parents[2]).as_posix(): path.read_bytes() for path in local_folder.rglob("results/123/*")
    }
    assert found == expected_files("123")
    state: State[Any] = hello_world(id="123", return_state=True)
    assert task_states(state, 3) == ALL_CACHED
    [hello] = local_folder.rglob("results/123/hello.txt")
    hello.unlink()
    assert hello_world(id="123") == "Hello World"
    assert hello.read_bytes() == b"Hello"
