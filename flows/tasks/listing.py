"""The stage that lists the logs and plans the work."""

import hashlib
from typing import Any

from prefect import get_run_logger

from blocks.load import load_environment
from flows.errors import StorageError
from flows.logs.extracts import Scope, index
from flows.logs.objects import PREFIXES, LogObject, is_log
from flows.logs.plan import Plan, check_listing, make_plan
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.extracts import find_units
from flows.tasks.places import logs_of, results_of, warehouse_of
from flows.warehouse.ledger import next_listing, prepare


@cached_task("list-logs", 1, "Lists the logs and finds out which objects are new.")
def list_logs(id: str, environment: str, published: dict[str, Any] | None) -> dict[str, Any]:
    """List the logs, and store the plan of the run.

    Key: environment and id. Promise: while the id is published, the logs are not listed again.

    Returns:
        plan: The name of the stored plan; listing and listed_at: the listing's place in time;
        fingerprint; objects and new_objects: how many; bytes: of all; parts: of the work.
    """
    if published is not None:
        stages: dict[str, Any] = published["stages"]
        result: dict[str, Any] = stages["list_logs"]
        return result
    log = get_run_logger()
    block = load_environment(environment)
    logs, storage = logs_of(block), results_of(block)
    with warehouse_of(block) as (engine, tables):
        prepare(engine, tables)
        listing = next_listing(engine, tables)
    objects = [
        LogObject(kind, key, etag, size)
        for kind, prefix in PREFIXES.items()
        for key, etag, size in logs.list(prefix)
        if is_log(key)
    ]
    check_listing(objects, f"s3://{logs.bucket}/{logs.prefix}")
    plan = make_plan(objects, index(find_units(storage, Scope(logs.bucket, block.log_environment))))
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
    }


def store_plan(storage: ResultsStorage, plan: Plan) -> str:
    """Store a plan under a name that comes from its content."""
    content = plan.as_bytes()
    name = f"plans/v1/{hashlib.sha256(content).hexdigest()[:40]}.json"
    storage.write(name, content)
    return name


def load_plan(storage: ResultsStorage, name: str) -> Plan:
    """A stored plan."""
    content = storage.read(name)
    if content is None:
        raise StorageError(
            f"The plan {name!r} has gone from the results storage during the run. Nothing was "
            "published: run the same id again."
        )
    return Plan.from_bytes(content)
