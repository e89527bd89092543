"""What any flow costs: `python -m tests.benchmarks.empty_flow [TASK RUNS]`.

Prefect's import, the flow's start and end, and so many task runs that do nothing.
"""

import sys

from prefect import flow, task


@task
def nothing() -> None:
    """Do nothing."""


@flow(persist_result=False)
def empty(tasks: int) -> None:
    """Do nothing, so many times."""
    for future in [nothing.submit() for _ in range(tasks)]:
        future.result()


if __name__ == "__main__":
    empty(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
