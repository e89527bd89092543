"""The flow user-page-views: logs in S3 into the table `user_page_views`."""

from datetime import datetime, timezone

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.load import load_environment
from flows.run_id import check_id
from flows.summary import RunSummary
from flows.tasks.caching import results_in
from flows.tasks.extract import extract_logs
from flows.tasks.listing import list_logs
from flows.tasks.places import results_of
from flows.tasks.publish import publish_table, published_run
from flows.tasks.report import report
from flows.tasks.runs import due
from flows.tasks.summarise import summarise_events

NAME = "user-page-views"


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
    started_at = datetime.now(timezone.utc)
    run_id = check_id(id, due())
    with results_in(results_of(load_environment(environment))):
        known = None if refresh else published_run(run_id, environment, NAME)
        # The ledger decides; a cached result counts only where the ledger has the run.
        anew = known is None
        listed = list_logs.with_options(refresh_cache=anew)(run_id, environment, known)
        parts = [
            extract_logs.with_options(refresh_cache=anew).submit(
                run_id, environment, part, listed["plan"], known
            )
            for part in range(listed["parts"])
        ]
        extracted = [part.result() for part in parts]
        made = summarise_events.with_options(refresh_cache=anew)(
            run_id, environment, listed["plan"], known
        )
        stages = {"list_logs": listed, "extract_logs": extracted, "summarise": made}
        published = publish_table.with_options(refresh_cache=anew)(
            run_id, environment, NAME, started_at, stages, refresh, known
        )
    summary = RunSummary.model_validate(published)
    report(summary, already=known is not None)
    return summary
