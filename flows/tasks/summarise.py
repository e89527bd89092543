"""The stage that finds out what is to be published."""

from typing import Any

from prefect import get_run_logger

from flows.tasks.caching import cached_task
from flows.tasks.environments import environment_of
from flows.tasks.healing import listing_again
from flows.tasks.listing import load_plan
from flows.tasks.places import results_of, warehouse_of
from flows.warehouse.ledger import find_latest


@cached_task("summarise", 3, "Counts distinct page views by user and URL, with each latest email.")
@listing_again
def summarise_events(
    id: str, environment: str, flow: str, plan: str, published: dict[str, Any] | None
) -> dict[str, Any]:
    """Check the account of every line, and store what is to be published as Parquet.

    Key: environment and id. Promise: while the id is published, nothing is computed; and a
    summary of the same inputs that is stored is not computed again, whatever the id.

    Returns:
        A `Summary`; or again.
    """
    if published is not None:
        stored: dict[str, Any] = published["stages"]["summarise"]
        return stored
    # What counts takes a tenth of a second to load, which a published id has no use for.
    from flows.tasks.make_summary import make_summary

    block = environment_of(environment)
    storage = results_of(block)
    with warehouse_of(block) as warehouse:
        base = find_latest(warehouse, flow)
    result = make_summary(block, storage, load_plan(storage, plan), base)
    added = "" if result["base"] is None else ", added to those that are published"
    get_run_logger().info(f"{result['page_views']['counted']:,} distinct page views{added}.")
    return result
