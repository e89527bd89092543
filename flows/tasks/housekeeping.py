"""What killed runs leave behind in the results storage, and what no run reads any more."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from prefect import get_run_logger

from flows.logs.extracts import Unit
from flows.storage.results import ResultsStorage, Stored
from flows.tasks.summaries import VERSION
from flows.warehouse.ledger import PublishedRun

# Longer than any run lasts: a run that is under way may still need what is younger.
KEPT = timedelta(days=3)


def sweep(
    storage: ResultsStorage,
    extracts: Mapping[str, Stored],
    units: list[Unit],
    latest: PublishedRun | None,
) -> None:
    """Delete files of extracts that no manifest names, plans and summaries, once they are old.

    Args:
        storage: The results storage.
        extracts: All that it holds of a scope's extracts.
        units: Those of them that are whole.
        latest: The run whose tables are published: what the next one needs of it is kept.
    """
    named = {unit.manifest for unit in units} | _needed_of(latest)
    for unit in units:
        named |= {file.name for file in unit.files}
    before = datetime.now(UTC) - KEPT
    found = {**extracts, **storage.list("plans/"), **storage.list("summaries/")}
    old = [n for n, stored in found.items() if n not in named and stored.modified < before]
    for name in old:
        storage.delete(name)
    if old:
        get_run_logger().info(f"Deleted {len(old)} stored files that no run needs any more.")


def _needed_of(run: PublishedRun | None) -> set[str]:
    if run is None or run.stages["summarise"].get("version") != VERSION:
        return set()
    made = run.stages["summarise"]
    return {run.stages["list_logs"]["plan"], made["manifest"], made["latest"]["name"]}
