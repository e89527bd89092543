"""An environment's places, opened by its name: no block is ever a task's parameter."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from blocks.aws import S3Bucket
from blocks.environment import Environment, prefix_of, s3_client
from flows.logs.duck_settings import DuckSettings
from flows.storage.bucket_results import BucketResults
from flows.storage.folder_results import FolderResults
from flows.storage.logs_bucket import LogsBucket
from flows.storage.results import ResultsStorage
from flows.warehouse.connect import connected
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse


def logs_of(environment: Environment) -> LogsBucket:
    """The environment's logs."""
    bucket = environment.logs
    return LogsBucket(s3_client(bucket), bucket.bucket_name, prefix_of(bucket))


def results_of(environment: Environment) -> ResultsStorage:
    """The environment's results storage."""
    results = environment.results
    if isinstance(results, S3Bucket):
        return BucketResults(s3_client(results), results.bucket_name, prefix_of(results))
    return FolderResults(Path(results.basepath or ".").expanduser())


@contextmanager
def warehouse_of(environment: Environment) -> Iterator[Warehouse]:
    """The environment's database and tables; the one place where its URL is unwrapped."""
    database = environment.database
    with connected(database.url.get_secret_value()) as engine:
        yield Warehouse(engine, Tables(database.schema_name), database.lock_timeout, _notice)


def _notice(sentence: str) -> None:
    try:
        log = get_run_logger()
    except MissingContextError:  # outside of a flow: the query command
        log = get_logger("flows")
    log.warning(sentence)


def duck_settings(
    environment: Environment, scratch: Path, threads: int | None = None
) -> DuckSettings:
    """DuckDB's limits in this environment."""
    spill = Path(environment.spill_folder) / scratch.name if environment.spill_folder else scratch
    return DuckSettings(
        memory_limit=environment.memory_limit,
        threads=threads or environment.threads,
        spill=spill / "spill",
    )
