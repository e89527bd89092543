"""Deletes from results storage what killed runs left and what no run reads any more."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from prefect import get_run_logger

from flows.extracts.units import Scope, Unit, plans_folder
from flows.storage.results import ResultsStorage, Stored
from flows.tasks.wording import count_of
from flows.warehouse.ledger import PublishedRun

# Longer than any run takes: current runs may still need younger files.
KEPT = timedelta(days=3)


def delete_unused(
    storage: ResultsStorage,
    scope: Scope,
    extracts: Mapping[str, Stored],
    units: list[Unit],
    latest: PublishedRun | None,
) -> None:
    """Delete old plans, and old files of extracts that no manifest names.

    Args:
        extracts: All that is stored of a scope's extracts.
        latest: The run that published the tables: the next run needs its plan.
    """
    named = {unit.manifest for unit in units} | {file.name for unit in units for file in unit.files}
    if latest is not None:
        named.add(latest.stages["list_logs"]["plan"])
    before = datetime.now(UTC) - KEPT
    found = {**extracts, **storage.list(plans_folder(scope))}
    old = [n for n, stored in found.items() if n not in named and stored.modified < before]
    for name in old:
        storage.delete(name)
    if old:
        get_run_logger().info(f"Deleted {count_of(len(old), 'stored file')} that no run needs")
