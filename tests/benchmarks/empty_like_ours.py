"""An empty flow made as the service makes its flows: `python -m ... TASK_RUNS`.

As `empty_flow`, but nothing is searched through while Prefect is imported, heartbeats are sent by a
thread that ends at once, and plain parameters are told without FastAPI.
"""

import sys

from flows.collecting import nothing_collected, older_objects_left_alone

with nothing_collected():
    from prefect import flow, task

    from flows.tasks.prompt_end import ending_promptly, prompt


@task
def nothing() -> None:
    """Do nothing."""


@prompt
@flow(persist_result=False)
def empty(tasks: int) -> None:
    """Do nothing, so many times."""
    with ending_promptly(), older_objects_left_alone():
        for future in [nothing.submit() for _ in range(tasks)]:
            future.result()


if __name__ == "__main__":
    empty(int(sys.argv[1]))
