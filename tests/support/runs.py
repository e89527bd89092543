"""Flow runs as the Prefect server reports them: their state, their tasks' states, their logs."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.flow_engine import run_flow
from prefect.logging.handlers import APILogWorker
from prefect.states import Scheduled

_SECONDS = 30


def run_id_of(state: State[Any]) -> UUID:
    """The id of the flow run that ended in this state."""
    found = state.state_details.flow_run_id
    assert found is not None
    return found


def state_of(state: State[Any]) -> State[Any]:
    """The flow run's state, as the server has it."""
    found: State[Any] | None = flow_run_of(state).state
    assert found is not None
    return found


def run_scheduled(flow: Flow[..., Any], due: datetime, **parameters: Any) -> State[Any]:
    """Run a flow as a worker runs a scheduled flow run; return the state that it ended in."""
    scheduled: State[Any] = Scheduled(scheduled_time=due)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow, parameters=parameters, state=scheduled)
    state = run_flow(flow, flow_run=run, parameters=parameters, return_type="state")
    assert isinstance(state, State)
    return state


def flow_run_of(state: State[Any]) -> FlowRun:
    """The flow run that ended in this state, as the server has it."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id_of(state))


def task_runs(state: State[Any], expected: int) -> list[TaskRun]:
    """The flow run's task runs, once the server knows that all of them have ended."""
    chosen = FlowRunFilter.model_validate({"id": {"any_": [run_id_of(state)]}})
    end = time.monotonic() + _SECONDS
    with get_client(sync_client=True) as client:
        while True:
            runs: list[TaskRun] = client.read_task_runs(flow_run_filter=chosen)
            if len(runs) >= expected and all(run.state and run.state.is_final() for run in runs):
                return runs
            assert time.monotonic() < end, [(run.name, run.state_name) for run in runs]


def task_states(state: State[Any], expected: int) -> Counter[tuple[str, str]]:
    """How many of the flow run's tasks ended in which state, by (name of the task run, state)."""
    return Counter((run.name, run.state_name or "") for run in task_runs(state, expected))


def artifacts_of(state: State[Any]) -> list[str]:
    """The Markdown of the flow run's artifacts."""
    chosen = ArtifactFilter.model_validate({"flow_run_id": {"any_": [run_id_of(state)]}})
    with get_client(sync_client=True) as client:
        return [str(artifact.data) for artifact in client.read_artifacts(artifact_filter=chosen)]


def logs_of(state: State[Any]) -> str:
    """The flow run's log, as the server has it, to its last line."""
    chosen = LogFilter.model_validate({"flow_run_id": {"any_": [run_id_of(state)]}})
    end = time.monotonic() + _SECONDS
    with get_client(sync_client=True) as client:
        while True:
            APILogWorker.drain_all(timeout=5)
            lines = [log.message for log in client.read_logs(log_filter=chosen, limit=200)]
            if any(line.startswith("Finished in state") for line in lines):
                return "\n".join(lines)
            assert time.monotonic() < end, lines
