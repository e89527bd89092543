"""The stage that lists the logs and plans the work."""

import hashlib
from typing import Any

from prefect import get_run_logger

from flows.errors import ListAgain
from flows.logs.extracts import Scope, index
from flows.logs.objects import PREFIXES, LogObject, is_log
from flows.logs.plan import Plan, check_listing, make_plan
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.environments import environment_of
from flows.tasks.extracts import find_units
from flows.tasks.housekeeping import sweep
from flows.tasks.places import logs_of, results_of, spill_folder, warehouse_of
from flows.tasks.scratch import sweep_scratch
from flows.warehouse.ledger import count_runs, find_latest, next_listing, prepare


@cached_task("list-logs", 2, "Lists the logs and finds out which objects are new.")
def list_logs(
    id: str, environment: str, flow: str, published: dict[str, Any] | None
) -> dict[str, Any]:
    """List the logs, and store the plan of the run.

    Key: environment and id. Promise: while the id is published, the logs are not listed again.

    Returns:
        plan: The name of the stored plan; listing and listed_at: the listing's place in time;
        fingerprint; objects and new_objects: how many; bytes: of all; parts: of the work;
        healed: what of the results storage had to be made anew, in sentences.
    """
    if published is not None:
        stages: dict[str, Any] = published["stages"]
        result: dict[str, Any] = stages["list_logs"]
        return result
    log = get_run_logger()
    block = environment_of(environment)
    logs, storage = logs_of(block), results_of(block)
    scope = Scope(logs.bucket, block.log_environment)
    sweep_scratch()
    if (folder := spill_folder(block)) is not None:
        sweep_scratch(folder)
    with warehouse_of(block) as warehouse:
        prepare(warehouse)
        runs = count_runs(warehouse)
        latest = find_latest(warehouse, flow)
        listing = next_listing(warehouse)
    objects = [
        LogObject(kind, key, etag, size)
        for kind, prefix in PREFIXES.items()
        for key, etag, size in logs.list(prefix)
        if is_log(key)
    ]
    check_listing(objects, f"s3://{logs.bucket}/{logs.prefix}")
    stored = storage.list(scope.folder)
    units, damaged = find_units(storage, scope, stored)
    sweep(storage, stored, units, latest)
    plan = make_plan(objects, index(units))
    healed = []
    for manifest in damaged:
        storage.delete(manifest)  # or it would pass for another run's work
    if damaged:
        healed.append(
            f"{len(damaged)} stored extracts were damaged: their objects are parsed again."
        )
    elif runs and not units:
        healed.append("The results storage held no extract of earlier runs: all is parsed again.")
    for sentence in healed:
        log.warning(sentence)
    total = sum(item.size for item in objects)
    log.info(
        f"Listed {len(objects)} log objects ({total / 2**20:.1f} MiB): {plan.new_objects} are new, "
        f"{len(objects) - plan.new_objects} were parsed before."
    )
    return {
        "plan": store_plan(storage, plan),
        "listing": listing.number,
        "listed_at": listing.at.isoformat(),
        "fingerprint": plan.fingerprint,
        "objects": len(objects),
        "new_objects": plan.new_objects,
        "bytes": total,
        "parts": len(plan.parts),
        "healed": healed,
    }


def store_plan(storage: ResultsStorage, plan: Plan) -> str:
    """Store a plan under a name that comes from its content."""
    content = plan.as_bytes()
    name = f"plans/v2/{hashlib.sha256(content).hexdigest()[:40]}.json"
    storage.write(name, content)
    return name


def load_plan(storage: ResultsStorage, name: str) -> Plan:
    """A stored plan.

    Raises:
        ListAgain: It is gone or damaged.
    """
    plan = Plan.from_bytes(storage.read(name))
    if plan is None:
        raise ListAgain(f"The stored plan {name!r} is gone or damaged.")
    return plan
