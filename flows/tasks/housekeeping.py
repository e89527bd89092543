"""What killed runs leave behind in the results storage, and what no run reads any more."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from prefect import get_run_logger

from flows.logs.extracts import Unit
from flows.storage.results import ResultsStorage, Stored

# Longer than any run lasts: a run that is under way may still need what is younger.
KEPT = timedelta(days=3)


def sweep(storage: ResultsStorage, extracts: Mapping[str, Stored], units: list[Unit]) -> None:
    """Delete files of extracts that no manifest names, plans and summaries, once they are old.

    Args:
        storage: The results storage.
        extracts: All that it holds of a scope's extracts.
        units: Those of them that are whole.
    """
    named = {unit.manifest for unit in units}
    for unit in units:
        named |= {file.name for file in unit.files}
    before = datetime.now(timezone.utc) - KEPT
    found = {**extracts, **storage.list("plans/"), **storage.list("summaries/")}
    old = [n for n, stored in found.items() if n not in named and stored.modified < before]
    for name in old:
        storage.delete(name)
    if old:
        get_run_logger().info(f"Deleted {len(old)} stored files that no run needs any more.")
