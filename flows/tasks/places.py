"""An environment's places, opened by its name: no block is ever a task's parameter."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryFile

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from blocks.aws import S3Bucket
from blocks.environment import Environment, prefix_of, s3_client
from flows.errors import SettingsError
from flows.logs.duck_settings import DuckSettings
from flows.storage.bucket_results import BucketResults
from flows.storage.folder_results import FolderResults
from flows.storage.logs_bucket import LogsBucket
from flows.storage.results import ResultsStorage
from flows.tasks.scratch import scratch_folder
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


def spill_folder(environment: Environment) -> Path | None:
    """The environment's folder for what DuckDB spills, made where it is missing.

    Raises:
        SettingsError: It cannot be made, or not be written to.
    """
    if not environment.spill_folder:
        return None
    folder = Path(environment.spill_folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise SettingsError(
            f"Work cannot spill to {str(folder)!r} on this machine: {error.strerror}. Name a "
            "folder that can be written to (DUCKDB_SPILL_FOLDER), and register the environment "
            "again."
        ) from error


@contextmanager
def duck_settings(
    environment: Environment, scratch: Path, threads: int | None = None
) -> Iterator[DuckSettings]:
    """DuckDB's limits in this environment; what it spills is deleted afterwards.

    Args:
        environment: Has the limits.
        scratch: Where it spills to if the environment names no folder for that.
        threads: Instead of the environment's.

    Raises:
        SettingsError: The folder to spill to cannot be used.
    """
    folder = spill_folder(environment)
    with nullcontext(scratch) if folder is None else scratch_folder(folder) as parent:
        yield DuckSettings(
            memory_limit=environment.memory_limit,
            threads=threads or environment.threads,
            spill=parent / "spill",
        )
