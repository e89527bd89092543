"""The stage that publishes: the one place where the tables change."""

from typing import Any

from prefect import get_run_logger

from flows.tasks.caching import cached_task, record_name
from flows.tasks.environments import environment_of
from flows.tasks.healing import listing_again
from flows.tasks.places import results_of, warehouse_of
from flows.tasks.runs import Run
from flows.warehouse.ledger import find_run

_TASK, _VERSION = "publish", 2


def published_run(id: str, environment: str, flow: str) -> dict[str, Any] | None:
    """What the ledger holds of this id: its summary and its stages' results, or None."""
    with warehouse_of(environment_of(environment)) as warehouse:
        run = find_run(warehouse, flow, id)
    return None if run is None else {"summary": run.summary, "stages": run.stages}


def lost_from_ledger(id: str, environment: str) -> list[str]:
    """What to say of an id without a row in the ledger; nothing, where it was never published."""
    storage = results_of(environment_of(environment))
    if storage.read(record_name(_TASK, _VERSION, environment, id)) is None:
        return []
    sentence = "The database had no row of this run, which was published before: it runs again."
    get_run_logger().warning(sentence)
    return [sentence]


@cached_task(_TASK, _VERSION, "Brings the table up to date, in one transaction with the ledger.")
@listing_again
def publish_table(
    id: str,
    environment: str,
    flow: str,
    run: Run,
    stages: dict[str, Any],
    again: bool,
    published: dict[str, Any] | None,
) -> dict[str, Any]:
    """Publish the rows, the rejects and the ledger's row of this id; all of it or nothing.

    Key: environment and id. Promise: while the ledger has a row of the id, nothing is written.

    Returns:
        The run's summary (`RunSummary` as JSON); or again.
    """
    if published is not None:
        known: dict[str, Any] = published["summary"]
        return known
    # What publishes takes a tenth of a second to load, which a published id has no use for.
    from flows.tasks.publish_summary import publish_summary

    summary = publish_summary(id, environment, flow, run, stages, again=again)
    get_run_logger().info(
        f"Published: {summary['rows']:,} rows, of which {summary['rows_written']:,} were written."
    )
    return summary
