"""Flow runs as the Prefect server tells of them: their state, their tasks' states, their logs."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, LogFilter
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging.handlers import APILogWorker

_SECONDS = 30


def run_id_of(state: State[Any]) -> UUID:
    """The id of the flow run that ended in this state."""
    found = state.state_details.flow_run_id
    assert found is not None
    return found


def state_of(state: State[Any]) -> State[Any]:
    """The flow run's state, as the server has it."""
    with get_client(sync_client=True) as client:
        found: State[Any] | None = client.read_flow_run(run_id_of(state)).state
    assert found is not None
    return found


def task_runs(state: State[Any], expected: int) -> list[TaskRun]:
    """The flow run's task runs; the server is asked until it has noted the end of each."""
    chosen = FlowRunFilter.model_validate({"id": {"any_": [run_id_of(state)]}})
    end = time.monotonic() + _SECONDS
    with get_client(sync_client=True) as client:
        while True:
            runs: list[TaskRun] = client.read_task_runs(flow_run_filter=chosen)
            if len(runs) >= expected and all(run.state and run.state.is_final() for run in runs):
                return runs
            assert time.monotonic() < end, [(run.name, run.state_name) for run in runs]


def task_states(state: State[Any], expected: int) -> Counter[tuple[str, str]]:
    """How many of the flow run's tasks ended in which state, by (task, state)."""
    return Counter(
        (run.name.rpartition("-")[0], run.state_name or "") for run in task_runs(state, expected)
    )


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
