"""What any flow costs: `python -m tests.benchmarks.empty_flow TASK_RUNS [--quiet]`.

Prefect's import, the flow's start and end, and so many task runs that do nothing.
"""

import sys

from prefect import flow, task
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings


@task
def nothing() -> None:
    """Do nothing."""


@flow(persist_result=False)
def empty(tasks: int) -> None:
    """Do nothing, so many times."""
    for future in [nothing.submit() for _ in range(tasks)]:
        future.result()


if __name__ == "__main__":
    # Without heartbeats, whose thread takes up to a second of each flow run to end.
    beats = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if "--quiet" in sys.argv else {}
    with temporary_settings(beats):
        empty(int(sys.argv[1]))
