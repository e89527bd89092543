"""The stage that publishes: the one place where the tables change."""

from datetime import datetime
from typing import Any

from prefect import get_run_logger

from blocks.load import load_environment
from flows.logs.extracts import chosen_of
from flows.logs.objects import KINDS
from flows.tasks.caching import cached_task
from flows.tasks.extracts import fetch
from flows.tasks.listing import load_plan
from flows.tasks.places import results_of, scratch_folder, warehouse_of
from flows.tasks.summarise import find_objects, scope_of
from flows.warehouse.ledger import Listing, find_run
from flows.warehouse.publish import Publication, publish
from flows.warehouse.tables import ACCOUNT


def published_run(id: str, environment: str, flow: str) -> dict[str, Any] | None:
    """What the ledger holds of this id: its summary and its stages' results, or None."""
    with warehouse_of(load_environment(environment)) as (engine, tables):
        run = find_run(engine, tables, flow, id)
    return None if run is None else {"summary": run.summary, "stages": run.stages}


@cached_task("publish", 1, "Brings the table up to date, in one transaction with the ledger.")
def publish_table(
    id: str,
    environment: str,
    flow: str,
    started_at: datetime,
    stages: dict[str, Any],
    again: bool,
    published: dict[str, Any] | None,
) -> dict[str, Any]:
    """Publish the rows, the rejects and the ledger's row of this id; all of it or nothing.

    Key: environment and id. Promise: while the ledger has a row of the id, nothing is written.

    Returns:
        The run's summary (`RunSummary` as JSON).
    """
    if published is not None:
        known: dict[str, Any] = published["summary"]
        return known
    block = load_environment(environment)
    storage = results_of(block)
    listed, made = stages["list_logs"], stages["summarise"]
    parsed = sum(part["objects"] for part in stages["extract_logs"])
    with scratch_folder() as scratch, warehouse_of(block) as (engine, tables):
        table = scratch / "user_page_views.parquet"
        storage.download(made["table"], table)
        plan = load_plan(storage, listed["plan"])
        rejects = []
        for objects in find_objects(storage, scope_of(block), plan).values():
            units = [unit for unit in chosen_of(objects.values()).values() if unit[0].rejects]
            paths = fetch(
                storage, [(unit, unit.rejects) for unit, _ in units if unit.rejects], scratch
            )
            for unit, numbers in units:
                keys = None if numbers is None else [unit.objects[n].key for n in numbers]
                if unit.rejects is not None:
                    rejects.append((paths[unit.rejects.name], keys))
        run = publish(
            engine,
            tables,
            Publication(
                flow=flow,
                id=id,
                started_at=started_at,
                listing=Listing(listed["listing"], datetime.fromisoformat(listed["listed_at"])),
                fingerprint=listed["fingerprint"],
                account={f"{kind}_{part}": made[kind][part] for kind in KINDS for part in ACCOUNT},
                table=table,
                rejects=rejects,
                stages=stages,
                summary={
                    "id": id,
                    "environment": environment,
                    "fingerprint": listed["fingerprint"],
                    **{kind: made[kind] for kind in KINDS},
                    "objects_parsed": parsed,
                    "objects_reused": listed["objects"] - parsed,
                    "rows": made["rows"],
                },
            ),
            scratch,
            again=again,
        )
    get_run_logger().info(
        f"Published: {run.summary['rows']:,} rows, of which {run.summary['rows_written']:,} were "
        "written."
    )
    return run.summary
