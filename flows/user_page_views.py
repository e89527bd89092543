"""The flow user-page-views: logs in S3 into the table `user_page_views`."""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture, wait

from blocks.load import load_environment
from flows.errors import ListAgain, ParameterError, StorageError
from flows.run_id import EnvironmentName, Refresh, RunId, check_id
from flows.stopping import stopping_with_the_flow
from flows.summary import RunSummary
from flows.tasks.caching import fresh, results_in
from flows.tasks.extract import extract_logs
from flows.tasks.failures import or_failed
from flows.tasks.listing import list_logs
from flows.tasks.places import results_of
from flows.tasks.publish import publish_table
from flows.tasks.published_ids import find_published, lost_from_ledger, names_of_parts, show_published
from flows.tasks.report import report
from flows.tasks.runs import Run, due, run_name

NAME = "user-page-views"
MAX_LISTINGS = 4


@flow(
    name=NAME,
    flow_run_name=run_name,
    persist_result=False,
    # `check_id` has a better error message, and Prefect would turn True into "1".
    validate_parameters=False,
)
def user_page_views(id: RunId = None, environment: EnvironmentName = "local", refresh: Refresh = False) -> RunSummary:
    """Bring the table user_page_views up to date with the logs.

    Only log objects that no earlier run has parsed are read. If the id is published, the run does nothing and returns
    the same summary.

    Args:
        id: The run's key: 1 to 128 letters, digits or . _ : + = @ -, or an integer up to 2^53 - 1. If omitted, the
            run's date is used.
        environment: The environment to run in, such as local, staging or production.
        refresh: Run the id again from the current logs, even if it is published.
    """
    return or_failed(_user_page_views, id, environment, refresh)


def _user_page_views(id: str | int | None, environment: str, refresh: bool) -> RunSummary:
    run = Run(NAME, check_id(id, due()), environment, refresh)
    if not isinstance(refresh, bool):
        raise ParameterError(f"refresh is {refresh!r:.200}: it must be True or False.")
    block = load_environment(environment)
    with results_in(results_of(block)), stopping_with_the_flow():
        found = find_published(block, run)
        published = None if refresh else found
        if published is not None:
            show_published(run, published)
            report(published.summary, published.stages, already=True)
            return RunSummary.model_validate(published.summary)
        run.healed = [] if refresh else lost_from_ledger(block, environment, run.id)
        return RunSummary.model_validate(_publish(run))


def _publish(run: Run) -> dict[str, Any]:
    """Run the stages; start again if what was listed or stored changes during the run."""
    for _ in range(MAX_LISTINGS):
        try:
            # Only the ledger proves that a stage is done, and it has no row of this id: no stored
            # record is used. Each stage runs in a thread, so that a signal ends this one's waiting.
            listed = fresh(list_logs).submit(run.id, run.environment, run).result()
            run.healed += listed["healed"]
            parts = _extract(run, listed)
            publish = fresh(publish_table).submit(
                id=run.id,
                environment=run.environment,
                run=run,
                listed=listed,
                extracted=[part.result() for part in parts],
                return_state=False,
                wait_for=parts,
            )
            summary: dict[str, Any] = publish.result()
            return summary
        except ListAgain as reason:
            run.healed.append(str(reason))
    raise StorageError(
        f"The logs or the stored results changed {MAX_LISTINGS} times while the run used them. The "
        f"last time: {run.healed[-1]} Nothing was published: run the same id again later. If nothing changes them, the "
        "bucket's service lists other keys or ETags than it reads: update it, or use another one."
    )


def _extract(run: Run, listed: dict[str, Any]) -> list[PrefectFuture[dict[str, int]]]:
    """Extract the parts of the plan, as many at the same time as there are workers."""
    futures: list[PrefectFuture[dict[str, int]]] = []
    for part, name in enumerate(names_of_parts(listed)):
        task = fresh(extract_logs).with_options(task_run_name=name)
        free = part - listed["workers"]  # this part starts when that one has ended
        futures.append(
            task.submit(
                id=run.id,
                environment=run.environment,
                part=part,
                plan=listed["plan"],
                return_state=False,
                wait_for=futures[free : free + 1] if free >= 0 else None,
            )
        )
    try:
        for future in futures:
            future.result()
    except ListAgain:
        wait(futures)
        run.parsed += _parsed(futures)
        raise
    run.parsed += _parsed(futures)
    return futures


def _parsed(parts: list[PrefectFuture[dict[str, int]]]) -> int:
    """How many log objects these task runs have parsed, successful or not."""
    ended = [part for part in parts if part.state.is_completed() or part.state.is_failed()]
    results = [part.result(raise_on_failure=False) for part in ended]
    return sum(
        one.parsed if isinstance(one, ListAgain) else one["objects"]
        for one in results
        if isinstance(one, dict | ListAgain)
    )
