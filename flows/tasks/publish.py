"""The stage that publishes: the one place where the tables change."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.load import load_environment
from flows.logs.extracts import StoredFile, chosen_of
from flows.logs.objects import KINDS
from flows.logs.plan import Plan
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task, record_name
from flows.tasks.extracts import fetch
from flows.tasks.healing import listing_again
from flows.tasks.listing import load_plan
from flows.tasks.places import results_of, warehouse_of
from flows.tasks.scratch import scratch_folder
from flows.tasks.summarise import find_objects, scope_of
from flows.warehouse.ledger import Listing, find_run
from flows.warehouse.publish import Publication, publish
from flows.warehouse.tables import ACCOUNT

_TASK, _VERSION = "publish", 2


@dataclass
class Run:
    """What is known of a run beside its stages.

    Attributes:
        started_at: When it began.
        healed: What it has put right, in sentences.
        parsed: How many log objects it has parsed, over all its listings.
    """

    started_at: datetime
    healed: list[str] = field(default_factory=list)
    parsed: int = 0


def published_run(id: str, environment: str, flow: str) -> dict[str, Any] | None:
    """What the ledger holds of this id: its summary and its stages' results, or None."""
    with warehouse_of(load_environment(environment)) as warehouse:
        run = find_run(warehouse, flow, id)
    return None if run is None else {"summary": run.summary, "stages": run.stages}


def lost_from_ledger(id: str, environment: str) -> list[str]:
    """What to say of an id without a row in the ledger; nothing, where it was never published."""
    storage = results_of(load_environment(environment))
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
    block = load_environment(environment)
    storage = results_of(block)
    listed, made = stages["list_logs"], stages["summarise"]
    with scratch_folder() as scratch, warehouse_of(block) as warehouse:
        rows = StoredFile(**made["table"])
        table = fetch(storage, [(made["manifest"], rows)], scratch)[rows.name]
        rejects = _fetch_rejects(storage, block, load_plan(storage, listed["plan"]), scratch)
        done = publish(
            warehouse,
            Publication(
                flow=flow,
                id=id,
                started_at=run.started_at,
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
                    "objects_parsed": run.parsed,
                    "objects_reused": max(0, listed["objects"] - run.parsed),
                    "rows": made["rows"],
                    "healed": run.healed,
                },
            ),
            again=again,
        )
    get_run_logger().info(
        f"Published: {done.summary['rows']:,} rows, of which {done.summary['rows_written']:,} were "
        "written."
    )
    return done.summary


def _fetch_rejects(
    storage: ResultsStorage, block: Environment, plan: Plan, scratch: Path
) -> list[tuple[Path, list[str] | None]]:
    """The files of rejects of the plan's objects, each with the keys that count (None: all)."""
    rejects = []
    for objects in find_objects(storage, scope_of(block), plan).values():
        units = [unit for unit in chosen_of(objects.values()).values() if unit[0].rejects]
        paths = fetch(
            storage, [(unit.manifest, unit.rejects) for unit, _ in units if unit.rejects], scratch
        )
        for unit, unwanted in units:
            used = [o.key for n, o in enumerate(unit.objects) if n not in unwanted]
            keys = used if unwanted else None
            if unit.rejects is not None:
                rejects.append((paths[unit.rejects.name], keys))
    return rejects
