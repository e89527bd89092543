"""The stage that lists the logs and plans the work."""

import hashlib
from typing import Any

from prefect import get_run_logger

from blocks.load import load_environment
from flows.errors import ListAgain
from flows.extracts.plan import Plan, check_listing, make_plan
from flows.extracts.sealed import seal, unseal
from flows.extracts.units import Scope, index, plans_folder
from flows.logs.objects import PREFIXES, LogObject, is_log
from flows.storage.logs_bucket import LogsBucket
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.places import logs_of, results_of, spill_folder, warehouse_of, workers_of
from flows.tasks.runs import Run
from flows.tasks.scratch import sweep_scratch
from flows.tasks.units import find_units
from flows.tasks.wording import count_of
from flows.warehouse.ledger import find_latest, next_listing, prepare

LIST = ("list-logs", 3)
"""Name and version of the stage."""


@cached_task(*LIST, "Lists the logs and finds out which objects are new.")
def list_logs(id: str, environment: str, run: Run) -> dict[str, Any]:
    """List the logs, and store the plan of the run.

    Key: environment and id. Promise: while the id is published, the logs are not listed again.

    Args:
        run: The run with this id and environment.

    Returns:
        plan: the stored plan's name; listing and listed_at: its number and its time;
        fingerprint; objects, new_objects and bytes; kinds: the kind of log of each part of the
        work; workers: how many parts to work on at the same time; healed: what was wrong in the
        results storage, in sentences.
    """
    block = load_environment(environment)
    logs, storage = logs_of(block), results_of(block)
    scope = Scope(logs.bucket, block.log_environment)
    sweep_scratch(spill_folder(block))
    with warehouse_of(block.database, run.schema) as warehouse:
        prepare(warehouse)
        latest = find_latest(warehouse, run.flow)
        listing = next_listing(warehouse)
    objects = _list(logs)
    units, damaged = find_units(storage, scope, storage.list(scope.folder))
    workers = workers_of(block)
    plan = make_plan(objects, index(units), workers)
    known = latest is not None and latest.stages.get("scope") == scope.folder
    healed = _heal(storage, damaged, lost=known and not units)
    _log(plan, healed)
    return {
        "plan": store_plan(storage, scope, plan),
        "listing": listing.number,
        "listed_at": listing.at.isoformat(),
        "fingerprint": plan.fingerprint,
        "objects": len(objects),
        "new_objects": plan.new_objects,
        "bytes": sum(item.size for item in objects),
        "kinds": [part.kind for part in plan.parts],
        "workers": workers,
        "healed": healed,
    }


def _list(logs: LogsBucket) -> list[LogObject]:
    objects = [
        LogObject(kind, key, etag, size)
        for kind, prefix in PREFIXES.items()
        for key, etag, size in logs.list(prefix)
        if is_log(key)
    ]
    check_listing(objects, f"s3://{logs.bucket}/{logs.prefix}")
    return objects


def _heal(storage: ResultsStorage, damaged: list[str], *, lost: bool) -> list[str]:
    for manifest in damaged:
        storage.delete(manifest)  # so that another run does not consider its objects parsed
    if damaged:
        return [
            f"{count_of(len(damaged), 'stored extract')} {'was' if len(damaged) == 1 else 'were'} "
            "missing or damaged: the objects are parsed again."
        ]
    if lost:
        return ["The results storage contained no extract of earlier runs: all logs are parsed."]
    return []


def _log(plan: Plan, healed: list[str]) -> None:
    log = get_run_logger()
    for sentence in healed:
        log.warning(sentence)
    size = sum(item.size for item in plan.objects)
    log.info(f"Listed {count_of(len(plan.objects), 'log object')} ({size / 2**20:,.1f} MiB)")
    verb = "is" if plan.new_objects == 1 else "are"
    log.info(f"{count_of(plan.new_objects, 'log object')} {verb} new")


def store_plan(storage: ResultsStorage, scope: Scope, plan: Plan) -> str:
    """Store a plan under a name that derives from its content."""
    content = seal(plan)
    name = f"{plans_folder(scope)}{hashlib.sha256(content).hexdigest()[:40]}.json"
    storage.write(name, content)
    return name


def load_plan(storage: ResultsStorage, name: str) -> Plan:
    """A stored plan.

    Raises:
        ListAgain: It is missing or damaged.
    """
    plan = unseal(Plan, storage.read(name))
    if plan is None:
        raise ListAgain(f"The stored plan {name!r} is missing or damaged.")
    return plan
