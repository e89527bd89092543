"""The stage that counts and publishes: the one place where the tables change."""

import time
from typing import Any

from prefect import get_run_logger

from blocks.load import load_environment
from flows.errors import LogsError
from flows.extracts.units import Scope
from flows.logs.objects import KINDS
from flows.tasks.caching import cached_task
from flows.tasks.inputs import Inputs
from flows.tasks.listing import load_plan
from flows.tasks.places import results_of, warehouse_of, work_space
from flows.tasks.report import report, report_failure
from flows.tasks.runs import Run
from flows.tasks.transaction import Publication, publish
from flows.tasks.wording import count_of

PUBLISH = ("count-and-publish", 3)
"""Name and version of the stage."""


@cached_task(*PUBLISH, "Counts page views and publishes the table, in one database transaction.")
def publish_table(
    id: str, environment: str, run: Run, listed: dict[str, Any], extracted: list[dict[str, int]]
) -> dict[str, Any]:
    """Count, and publish the rows, the rejects and the ledger's row; all of it or nothing.

    Key: environment and id. Promise: while the ledger has a row of the id, nothing is written.

    Args:
        run: The run with this id and environment.
        listed, extracted: The results of the stages before.

    Returns:
        The run's summary (`RunSummary` as JSON).

    Raises:
        ListAgain: Stored results are missing or damaged.
        LogsError: Too many lines were rejected.
    """
    started = time.monotonic()
    block = load_environment(environment)
    storage = results_of(block)
    scope = Scope(block.logs.bucket_name, block.log_environment)
    with work_space(block) as (scratch, limits), warehouse_of(block.database, run.schema) as warehouse:
        inputs = Inputs.find(storage, scope, load_plan(storage, listed["plan"]), scratch, limits)
        try:
            inputs.check_rejected(block.max_rejected_ratio)
        except LogsError as error:
            report_failure(run, str(error), inputs.places)
            get_run_logger().info("The run's artifact shows the rejected lines by object and reason")
            raise
        summary, stages = publish(warehouse, Publication(run, listed, extracted, inputs))
    report(summary, stages, already=False)
    _log(summary, block.max_rejected_ratio, time.monotonic() - started)
    return summary


def _log(summary: dict[str, Any], limit: float, seconds: float) -> None:
    log = get_run_logger()
    for kind in KINDS:
        noun, counts = kind.replace("_", " ").removesuffix("s"), summary[kind]
        share = 100 * counts["rejected"] / max(1, counts["lines"])
        lines = count_of(counts["lines"], noun)
        log.info(f"Rejected {counts['rejected']:,} of {lines} ({share:.2f} %), limit {100 * limit:g} %")
    if summary["overtaken"]:
        log.warning("A run that listed the logs later was published first: nothing was written")
    elif summary["rows_written"] == 0:
        log.info(f"Nothing new for the table: checked in {seconds:.1f} s")
    else:
        log.info(f"Published {count_of(summary['rows_written'], 'new or changed row')} in {seconds:.1f} s")
