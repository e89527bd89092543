"""The stage that extracts new log objects; each task run works on one part of the plan."""

import time
from threading import Lock
from typing import Any

from prefect import get_run_logger

from blocks.load import load_environment
from flows.errors import ListAgain, SettingsError
from flows.extracts.units import Scope, Unit, manifest_name
from flows.logs.extract import extract
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.listing import load_plan
from flows.tasks.places import logs_of, results_of, work_space, workers_of
from flows.tasks.reading import read_ahead
from flows.tasks.units import store_unit
from flows.tasks.wording import count_of

EXTRACT = ("extract-logs", 3)
"""Name and version of the stage."""
_LOG_SECONDS = 10
_all_memory = Lock()


@cached_task(*EXTRACT, "Extracts new log objects into Parquet files in the results storage.")
def extract_logs(id: str, environment: str, part: int, plan: str) -> dict[str, int]:
    """Extract one part of the plan; each unit is stored as soon as it is done.

    Key: environment, id and part. Promise: while the id is published, nothing is parsed; and a stored unit is not
    parsed again, whatever the id.

    Returns:
        objects: how many objects were parsed; lines: how many lines they have.

    Raises:
        ListAgain: An object has changed since it was listed.
    """
    log = get_run_logger()
    block = load_environment(environment)
    logs, storage = logs_of(block), results_of(block)
    scope = Scope(logs.bucket, block.log_environment)
    started = logged = time.monotonic()
    done = {"objects": 0, "lines": 0}
    try:
        units = _missing(storage, scope, load_plan(storage, plan).parts[part].units)
        with work_space(block) as (scratch, limits):
            share = limits.shared(workers_of(block))
            for unit, files in read_ahead(logs, units, block.max_expansion_ratio, scratch):
                try:
                    extracted = extract(unit, files, block.log_environment, scratch, share)
                except SettingsError:
                    # Lines of many megabytes can need more than a task's share of the memory.
                    with _all_memory:
                        extracted = extract(unit, files, block.log_environment, scratch, limits.shared(1))
                store_unit(storage, scope, extracted)
                done["objects"] += len(unit)
                done["lines"] += sum(counts.lines for counts in extracted.counts)
                if time.monotonic() - logged > _LOG_SECONDS:
                    logged = time.monotonic()
                    log.info(f"Extracted {_described(done)} so far")
    except ListAgain as error:
        error.parsed = done["objects"]
        raise
    log.info(f"Extracted {_described(done)} in {time.monotonic() - started:.1f} s")
    return done


def _missing(storage: ResultsStorage, scope: Scope, units: list[list[Any]]) -> list[list[Any]]:
    """The units that are not stored; another run of the same plan may have stored some."""
    # Runs extract in the same order: after the first unit that is missing, no other is stored.
    for number, unit in enumerate(units):
        name = manifest_name(scope, unit)
        if Unit.read(name, storage.read(name)) is None:
            return units[number:]
    return []


def _described(done: dict[str, int]) -> str:
    return f"{count_of(done['lines'], 'line')} of {count_of(done['objects'], 'log object')}"
