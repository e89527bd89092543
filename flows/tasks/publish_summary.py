"""Publishing a summary: fetched, and brought into the tables."""

from datetime import datetime
from pathlib import Path
from typing import Any

from flows.logs.objects import KINDS
from flows.storage.results import ResultsStorage
from flows.tasks.environments import environment_of
from flows.tasks.listing import load_plan
from flows.tasks.make_summary import make_summary
from flows.tasks.places import results_of, warehouse_of
from flows.tasks.preloads import kept_preload
from flows.tasks.runs import Run
from flows.tasks.scratch import scratch_folder
from flows.tasks.summaries import Summary, fetch_file
from flows.warehouse.ledger import Listing
from flows.warehouse.publish import Additions, BaseMoved, Publication, Whole, publish
from flows.warehouse.tables import ACCOUNT
from flows.warehouse.views_stream import ViewFiles

_MOST_BASES = 3


def publish_summary(
    id: str, environment: str, flow: str, run: Run, stages: dict[str, Any], *, again: bool
) -> dict[str, Any]:
    """Publish what the stages have made; give the run's summary.

    Args:
        id, environment, flow: Of the run.
        run: What else is known of it.
        stages: The results of the stages before.
        again: Publish although the id has a row already (a refresh).
    """
    block = environment_of(environment)
    storage = results_of(block)
    listed, made = stages["list_logs"], stages["summarise"]
    # What others publish meanwhile is added to; in the end, all is compared.
    bases = _MOST_BASES
    with scratch_folder() as scratch, warehouse_of(block) as warehouse:
        while True:
            try:
                with kept_preload(made["manifest"]) as preload:
                    publication = Publication(
                        flow=flow,
                        id=id,
                        started_at=run.started_at,
                        listing=Listing(
                            listed["listing"], datetime.fromisoformat(listed["listed_at"])
                        ),
                        fingerprint=listed["fingerprint"],
                        account={f"{k}_{part}": made[k][part] for k in KINDS for part in ACCOUNT},
                        content=_content(storage, made, scratch),
                        stages={**stages, "summarise": made},
                        summary={
                            "id": id,
                            "environment": environment,
                            "fingerprint": listed["fingerprint"],
                            **{kind: made[kind] for kind in KINDS},
                            "objects_parsed": run.parsed,
                            "objects_reused": max(0, listed["objects"] - run.parsed),
                            "healed": [*run.healed, *made["healed"]],
                        },
                    )
                    done = publish(warehouse, publication, again=again, preload=preload)
                break
            except BaseMoved as moved:
                bases -= 1
                plan = load_plan(storage, listed["plan"])
                made = make_summary(block, storage, plan, moved.base if bases else None)
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
