"""The stage that turns all events into the table's rows."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.load import load_environment
from flows.errors import ListAgain
from flows.logs.account import check_rejected
from flows.logs.counts import Counts
from flows.logs.extract import SCHEMA_VERSION
from flows.logs.extracts import Found, Scope, StoredFile, chosen_of, index
from flows.logs.objects import KINDS
from flows.logs.plan import Plan
from flows.logs.sealed import seal, unseal
from flows.logs.summarise import Events, summarise
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.extracts import fetch, find_units
from flows.tasks.healing import listing_again
from flows.tasks.listing import load_plan
from flows.tasks.places import duck_settings, results_of
from flows.tasks.scratch import keep_file, scratch_folder


@cached_task("summarise", 2, "Counts distinct page views by user and URL, with each latest email.")
@listing_again
def summarise_events(
    id: str, environment: str, plan: str, published: dict[str, Any] | None
) -> dict[str, Any]:
    """Check the account of every line, and store the table's rows as Parquet.

    Key: environment and id. Promise: while the id is published, nothing is computed; and a
    summary of the same inputs that is stored is not computed again, whatever the id.

    Returns:
        manifest: The name of the summary's stored description; table: of its rows, the name and
        SHA-256; rows: how many; page_views and user_updates: the account of each kind of log;
        or again.
    """
    if published is not None:
        stored: dict[str, Any] = published["stages"]["summarise"]
        return stored
    block = load_environment(environment)
    storage = results_of(block)
    work = load_plan(storage, plan)
    found = find_objects(storage, scope_of(block), work)
    for kind, objects in found.items():
        accounts = {key: item.counts for key, item in objects.items()}
        check_rejected(kind, accounts, block.max_rejected_ratio)
    name = _summary_name(scope_of(block), work)
    result = unseal(storage.read(f"{name}.json"))
    if result is None:
        with scratch_folder() as scratch:
            result = _make(block, storage, found, name, scratch)
    get_run_logger().info(
        f"{result['rows']:,} rows from {result['page_views']['counted']:,} distinct page views."
    )
    return result


def scope_of(block: Environment) -> Scope:
    """The scope of the environment's extracts."""
    return Scope(block.logs.bucket_name, block.log_environment)


def find_objects(storage: ResultsStorage, scope: Scope, plan: Plan) -> dict[str, dict[str, Found]]:
    """Where the records of each of the plan's objects are, by kind and key.

    Raises:
        ListAgain: The extract of one is gone or damaged.
    """
    units, _ = find_units(storage, storage.list(scope.folder))
    places = index(units)
    found: dict[str, dict[str, Found]] = {kind: {} for kind in KINDS}
    for item in plan.objects:
        place = places.get((item.kind, item.key, item.etag))
        if place is None:
            raise ListAgain(f"The stored extract of {item.key!r} is gone or damaged.")
        found[item.kind][item.key] = place
    return found


def _summary_name(scope: Scope, plan: Plan) -> str:
    key = f"{scope.folder}{plan.fingerprint}".encode()
    return f"summaries/v{SCHEMA_VERSION}/{hashlib.sha256(key).hexdigest()[:40]}"


def _make(
    block: Environment,
    storage: ResultsStorage,
    found: dict[str, dict[str, Found]],
    name: str,
    scratch: Path,
) -> dict[str, Any]:
    events = {}
    for kind, objects in found.items():
        chosen = list(chosen_of(objects.values()).values())
        wanted = [
            (unit.manifest, file)
            for unit, _ in chosen
            for file in (unit.events, unit.urls)
            if file is not None
        ]
        paths = fetch(storage, wanted, scratch)
        events[kind] = [
            Events(
                paths[unit.events.name],
                None if unit.urls is None else paths[unit.urls.name],
                unit.span,
                unwanted,
                len(unit.objects),
            )
            for unit, unwanted in chosen
        ]
    made = summarise(events, scratch, duck_settings(block, scratch))
    distinct = {"page_views": made.page_views, "user_updates": made.user_updates}
    table = StoredFile.of(made.table, name)
    result: dict[str, Any] = {
        "manifest": f"{name}.json",
        "table": asdict(table),
        "rows": made.rows,
    }
    for kind, objects in found.items():
        total = Counts.total(item.counts for item in objects.values())
        account = total.deduplicated(distinct[kind])
        account.check(kind)
        result[kind] = account.as_json()
    storage.upload(made.table, table.name)
    keep_file(made.table, table.name)
    storage.write(f"{name}.json", seal(result))
    return result
