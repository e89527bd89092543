"""A run that fails says why in one sentence, last and alone; a bug still shows where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import run_flow
from prefect.logging.loggers import flow_run_logger

from flows.errors import ParameterError, SettingsError, StorageError
from flows.hello_world import hello_world
from flows.storage.folder_results import FolderResults
from flows.tasks.caching import cached_task, results_in
from flows.tasks.failures import or_failed
from flows.user_page_views import user_page_views
from tests.support.programs import python
from tests.support.runs import logs_of, state_of, task_runs

SENTENCE = "The disk is full: delete something."


@cached_task("failing", 1, "Fails.")
def failing(id: str, environment: str, error: Exception) -> int:
    raise error


def run(folder: Path, error: Exception) -> State[int]:
    """Run a flow with a task that fails."""

    @flow(persist_result=False)
    def failed() -> int:
        def work() -> int:
            with results_in(FolderResults(folder)):
                return failing.submit("an-id", "here", error).result()

        return or_failed(work)

    return failed(return_state=True)


def test_an_error_for_users_is_one_sentence_everywhere_and_stays_what_it_is(
    prefect_server: None, tmp_path: Path
) -> None:
    original = StorageError(SENTENCE)
    state = run(tmp_path, original)
    with pytest.raises(StorageError) as error:
        state.result()
    assert error.value is original
    assert state.result(raise_on_failure=False) is original
    [task] = task_runs(state, 1)
    assert task.state
    for found in (state_of(state), task.state):
        assert (found.name, found.message) == ("Failed", SENTENCE)
    log = logs_of(state).splitlines()
    assert log[-2:] == [f"Finished in state Failed({SENTENCE!r})"] * 2
    assert not any("Traceback" in line for line in log)
    assert not list(tmp_path.rglob("*.json"))


def test_a_bug_is_shown_with_its_traceback(prefect_server: None, tmp_path: Path) -> None:
    state = run(tmp_path, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        state.result()
    log = logs_of(state)
    assert "Traceback (most recent call last)" in log
    assert f'File "{__file__}"' in log
    assert "RuntimeError: a bug" in log


@pytest.mark.parametrize(
    ("call", "last"),
    [
        ("user_page_views(id='x', environment='nowhere')", "SettingsError: There is no environment 'nowhere'."),
        ("hello_world(id='a b')", "ParameterError: id 'a b' is not a valid run id"),
    ],
)
def test_a_failed_call_in_python_ends_with_the_sentence_after_a_few_frames(
    prefect_server: None, tmp_path: Path, call: str, last: str
) -> None:
    program = f"from flows.{call.partition('(')[0]} import *; {call}"
    done = python("-c", program, folder=tmp_path, variables={"COLUMNS": "80", "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 1
    # On a slow machine, Prefect says at the end that it still sends events.
    lines = [line for line in done.stderr.splitlines() if "EventsWorker" not in line]
    assert lines[-1].startswith(f"flows.errors.{last}")
    assert done.stderr.count("Traceback") == 1
    assert len([line for line in lines if line.startswith("  File ")]) <= 6


ROOT = Path(__file__).parent.parent


def test_a_flow_that_calls_a_flow_gets_its_error(prefect_server: None) -> None:
    @flow(persist_result=False)
    def outer() -> Any:
        with pytest.raises(ParameterError, match="run id"):
            hello_world(id="a b")
        return user_page_views(id="a b")

    with pytest.raises(ParameterError, match="run id"):
        outer()


class Odd:
    """An object that no server can carry."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("id", value) for value in (float("nan"), 10**400, "\0", Odd(), [[1]])],
        *[("environment", value) for value in (float("inf"), None, {"a": Odd()})],
        *[("refresh", value) for value in ("no", 1, None)],
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else repr(value),
)
def test_a_value_that_a_server_or_browser_cannot_carry_is_an_error_before_anything_is_touched(
    prefect_server: None, work_folder: Path, name: str, value: Any
) -> None:
    state: State[Any] = user_page_views(**{"id": "x", name: value}, return_state=True)
    with pytest.raises(SettingsError if name == "environment" else ParameterError) as error:
        state.result()
    assert list(work_folder.iterdir()) == []
    assert state_of(state).message == str(error.value)


@pytest.fixture(scope="module")
def deployment(prefect_server: None) -> UUID:
    """A deployment of the flow, with the schema of its parameters."""
    schema = user_page_views.parameters.model_dump()
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(user_page_views)
        return client.create_deployment(flow_id, "here", parameter_openapi_schema=schema, enforce_parameter_schema=True)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", [2**53, 2**63, 20261122050000123456, 10**30, -1, -(2**63), True, 1.5, 1e300, [], ["a"], {"a": 1}]),
        ("environment", [1, None, True, 1.5, ["local"]]),
        ("refresh", ["no", 1, None]),
    ],
)
def test_a_deployment_refuses_parameters_that_a_server_or_browser_cannot_carry(
    deployment: UUID, name: str, values: list[Any]
) -> None:
    with get_client(sync_client=True) as client:
        for value in values:
            with pytest.raises(PrefectHTTPStatusError, match=f"Validation failed for field '{name}'"):
                client.create_flow_run_from_deployment(deployment, parameters={name: value})
        for id in (0, 7, 2**53 - 1, "20261122050000123456", "a", None):
            run = client.create_flow_run_from_deployment(deployment, parameters={"id": id, "refresh": True})
            assert run.parameters["id"] == id


def test_the_log_of_a_deployment_run_ends_with_the_sentence(deployment: UUID) -> None:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(deployment, parameters={"id": "x", "environment": "nowhere"})
        # As the process does that a worker starts.
        run_flow(user_page_views, flow_run=run, error_logger=flow_run_logger(run))  # type: ignore[arg-type]
        state = client.read_flow_run(run.id).state
    assert state is not None
    assert state.name == "Failed"
    assert str(state.message).startswith("There is no environment 'nowhere'.")
    log = logs_of(state).splitlines()
    assert log[-1] == f"Finished in state Failed({state.message!r})"
    assert not any("Traceback" in line or "unexpected" in line for line in log)
