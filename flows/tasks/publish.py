"""The stage that publishes: the one place where the tables change."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import get_run_logger

from blocks.load import load_environment
from flows.logs.objects import KINDS
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task, record_name
from flows.tasks.healing import listing_again
from flows.tasks.listing import load_plan
from flows.tasks.make_summary import make_summary
from flows.tasks.places import results_of, warehouse_of
from flows.tasks.scratch import scratch_folder
from flows.tasks.summaries import Summary, fetch_file
from flows.warehouse.ledger import Listing, find_run
from flows.warehouse.publish import Additions, BaseMoved, Publication, Whole, publish
from flows.warehouse.tables import ACCOUNT
from flows.warehouse.views_stream import ViewFiles

_TASK, _VERSION = "publish", 2
_MOST_BASES = 3


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
    # What others publish meanwhile is added to; in the end, all is compared.
    bases = _MOST_BASES
    with scratch_folder() as scratch, warehouse_of(block) as warehouse:
        while True:
            content = _content(storage, made, scratch)
            summary = {
                "id": id,
                "environment": environment,
                "fingerprint": listed["fingerprint"],
                **{kind: made[kind] for kind in KINDS},
                "objects_parsed": run.parsed,
                "objects_reused": max(0, listed["objects"] - run.parsed),
                "healed": [*run.healed, *made["healed"]],
            }
            try:
                done = publish(
                    warehouse,
                    Publication(
                        flow=flow,
                        id=id,
                        started_at=run.started_at,
                        listing=Listing(
                            listed["listing"], datetime.fromisoformat(listed["listed_at"])
                        ),
                        fingerprint=listed["fingerprint"],
                        account={f"{k}_{part}": made[k][part] for k in KINDS for part in ACCOUNT},
                        content=content,
                        stages={**stages, "summarise": made},
                        summary=summary,
                    ),
                    again=again,
                )
                break
            except BaseMoved as moved:
                bases -= 1
                plan = load_plan(storage, listed["plan"])
                made = make_summary(block, storage, plan, moved.base if bases else None)
    get_run_logger().info(
        f"Published: {done.summary['rows']:,} rows, of which {done.summary['rows_written']:,} were "
        "written."
    )
    return done.summary


def _content(storage: ResultsStorage, made: Summary, scratch: Path) -> Whole | Additions:
    """What is to be published of a summary, its files fetched."""

    views = None
    # Where nothing is added, each user's latest update is not needed either.
    if made["rows"] is not None:
        files = [fetch_file(storage, made, part, scratch) for part in ("rows", "urls", "latest")]
        views = ViewFiles(*(file for file in files if file is not None))
    rejects = fetch_file(storage, made, "rejects", scratch)
    if made["base"] is not None:
        emails = fetch_file(storage, made, "emails", scratch)
        return Additions(made["base"], views, emails, rejects)
    assert views is not None
    return Whole(views, made["count"], rejects)
