"""The flow user-page-views: logs in S3 into the table `user_page_views`."""

from datetime import UTC

from flows.collecting import nothing_collected, older_objects_left_alone
from flows.tasks.prefect_sooner import prefect_sooner

with nothing_collected(), prefect_sooner():
    from datetime import datetime
    from typing import Any

    from prefect import flow
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.errors import ListAgain, StorageError
    from flows.run_id import check_id
    from flows.stopping import stopping_with_the_flow
    from flows.summary import RunSummary
    from flows.tasks.caching import anew, results_in
    from flows.tasks.environments import environment_of, keeping_environments
    from flows.tasks.extract import extract_logs
    from flows.tasks.healing import MOST_LISTINGS, check_again
    from flows.tasks.listing import list_logs
    from flows.tasks.loading import load_ahead, loading
    from flows.tasks.places import results_of
    from flows.tasks.preloads import keeping_preload
    from flows.tasks.prompt_end import ending_promptly, prompt
    from flows.tasks.publish import lost_from_ledger, publish_table, published_run
    from flows.tasks.report import report
    from flows.tasks.runs import Run, due
    from flows.tasks.scratch import keeping_files
    from flows.tasks.summarise import summarise_events
    from flows.tasks.switching import switching_often

NAME = "user-page-views"


@prompt
@flow(
    name=NAME,
    persist_result=False,
    # An id is checked by our own rule, which says more; Prefect would turn True into "1".
    validate_parameters=False,
    task_runner=ThreadPoolTaskRunner(max_workers=2),  # type: ignore[arg-type]
)
def user_page_views(
    id: str | int | None = None, environment: str = "local", refresh: bool = False
) -> RunSummary:
    """Bring the table user_page_views up to date with the logs.

    Only log objects that no earlier run has parsed are read. A run of an id that is published does
    nothing and returns the same summary.

    Args:
        id: The run's key: 1 to 128 letters, digits or . _ : + = @ -. Default: the run's date.
        environment: The environment to run in, such as local, staging or production.
        refresh: Run the id again from the current logs, although it is published.
    """
    started_at = datetime.now(UTC)
    run_id = check_id(id, due())
    with (
        ending_promptly(),
        older_objects_left_alone(),
        switching_often(),
        keeping_environments(),
        results_in(results_of(environment_of(environment))),
        keeping_files(),
        keeping_preload(),
        loading(),
        stopping_with_the_flow(),
    ):
        known = None if refresh else published_run(run_id, environment, NAME)
        if known is None:
            published = _publish(run_id, environment, refresh, started_at)
        else:
            published = _show_published(run_id, environment, started_at, known)
    summary = RunSummary.model_validate(published)
    report(summary, already=known is not None)
    return summary


def _publish(id: str, environment: str, refresh: bool, started_at: datetime) -> dict[str, Any]:
    """Run the stages; again, where what was listed or stored has changed under them."""
    run = Run(started_at, [] if refresh else lost_from_ledger(id, environment))
    load_ahead()
    for _ in range(MOST_LISTINGS):
        try:
            return _stages(id, environment, refresh, run)
        except ListAgain as reason:
            run.healed.append(str(reason))
    raise StorageError(
        f"The logs or the stored results changed under the run each of {MOST_LISTINGS} times that "
        f"it listed them. The last time: {run.healed[-1]} Nothing was published: run the same id "
        "again when they are at rest."
    )


def _show_published(
    id: str, environment: str, started_at: datetime, known: dict[str, Any]
) -> dict[str, Any]:
    """Call the stages of a published id, which do nothing: the UI shows them as cached."""
    summary: dict[str, Any] = known["summary"]
    stages: dict[str, Any] = known["stages"]
    listed, run = stages["list_logs"], Run(started_at)
    called = [
        list_logs.submit(id, environment, NAME, known),
        *(
            extract_logs.submit(id, environment, part, listed["plan"], known)
            for part in range(listed["parts"])
        ),
        summarise_events.submit(id, environment, NAME, listed["plan"], known),
        publish_table.submit(id, environment, NAME, run, stages, False, known),
    ]
    for future in called:
        future.result()
    return summary


def _stages(id: str, environment: str, refresh: bool, run: Run) -> dict[str, Any]:
    # Only the ledger tells that a step is done, and it has no row of this id: no record is used.
    # Each stage runs in a thread, so that a signal ends this one's waiting at once.
    listed = anew(list_logs).submit(id, environment, NAME, None).result()
    check_again(listed)
    run.healed.extend(listed["healed"])
    plan = listed["plan"]
    extract = anew(extract_logs)
    parts = [extract.submit(id, environment, part, plan, None) for part in range(listed["parts"])]
    extracted = [part.result() for part in parts]
    run.parsed += sum(part["objects"] for part in extracted)
    check_again(*extracted)
    made = anew(summarise_events).submit(id, environment, NAME, plan, None).result()
    check_again(made)
    stages = {"list_logs": listed, "extract_logs": extracted, "summarise": made}
    published = (
        anew(publish_table).submit(id, environment, NAME, run, stages, refresh, None).result()
    )
    check_again(published)
    return published
