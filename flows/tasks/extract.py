"""The stage that parses new log objects, a part of them a task run."""

import time
from typing import Any

from prefect import get_run_logger

from flows.errors import ListAgain
from flows.logs.extracts import Scope, Unit, manifest_name
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.environments import environment_of
from flows.tasks.extracts import store_unit
from flows.tasks.healing import again
from flows.tasks.listing import load_plan
from flows.tasks.places import duck_settings, logs_of, results_of
from flows.tasks.reading_ahead import reading_ahead
from flows.tasks.scratch import scratch_folder

_TELL_SECONDS = 3


@cached_task("extract-logs", 2, "Parses new log objects into Parquet in the results storage.")
def extract_logs(
    id: str, environment: str, part: int, plan: str, published: dict[str, Any] | None
) -> dict[str, Any]:
    """Parse one part of the plan, unit by unit, each stored as soon as it is done.

    Key: environment, id and part. Promise: while the id is published, nothing is parsed; and a
    unit that is stored is not parsed again, whatever the id.

    Returns:
        objects: How many objects were parsed; lines: how many they hold; again: why the logs
        must be listed again, where one of them has changed.
    """
    if published is not None:
        result: dict[str, Any] = published["stages"]["extract_logs"][part]
        return result
    # What parses takes a tenth of a second to load, which a published id has no use for.
    from flows.logs.duck import duck
    from flows.logs.extract import Extractor

    log = get_run_logger()
    block = environment_of(environment)
    logs, storage = logs_of(block), results_of(block)
    scope = Scope(logs.bucket, block.log_environment)
    done, told = {"objects": 0, "lines": 0}, time.monotonic()
    try:
        units = load_plan(storage, plan).parts[part]
        with (
            scratch_folder() as scratch,
            duck_settings(block, scratch, 1) as settings,
            duck(settings) as connection,
        ):
            extractor = Extractor(
                connection, block.log_environment, scratch, block.max_expansion_ratio
            )
            others_ahead = True
            for number, unit in enumerate(units, 1):
                # All runs go the same way: where another one has not been, it is not further on.
                name = manifest_name(scope, unit)
                others_ahead = others_ahead and _is_stored(storage, name)
                if others_ahead:
                    continue
                with reading_ahead(logs, unit) as opened:
                    extracted = extractor.extract(unit, opened)
                store_unit(storage, scope, extracted)
                done["objects"] += len(unit)
                done["lines"] += sum(counts.lines for counts in extracted.counts)
                if number == len(units) or time.monotonic() - told > _TELL_SECONDS:
                    told = time.monotonic()
                    log.info(
                        f"Part {part + 1}: {number} of {len(units)} units parsed "
                        f"({done['objects']} objects, {done['lines']:,} lines)."
                    )
    except ListAgain as reason:
        return again(reason, **done)
    return done


def _is_stored(storage: ResultsStorage, manifest: str) -> bool:
    return Unit.from_bytes(manifest, storage.read(manifest)) is not None
