"""An environment's storage, database and limits: no block is ever a task's parameter."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile, gettempdir

import duckdb
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger
from prefect_aws import S3Bucket
from pydantic import ByteSize, TypeAdapter

from blocks.database import Database
from blocks.environment import Environment, prefix_of, s3_client
from flows.duck import DuckLimits
from flows.errors import SettingsError
from flows.storage.bucket_results import BucketResults
from flows.storage.folder_results import FolderResults
from flows.storage.logs_bucket import LogsBucket
from flows.storage.results import ResultsStorage
from flows.tasks.scratch import scratch_folder
from flows.warehouse.connect import connected
from flows.warehouse.warehouse import Warehouse, open_warehouse

# Below this, DuckDB cannot work: fewer tasks run at the same time instead.
_MIN_TASK_MEMORY = 60 * 10**6


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
def warehouse_of(database: Database, schema: str | None = None) -> Iterator[Warehouse]:
    """An environment's database and tables; the one place that unwraps its URL.

    Args:
        schema: The schema that the run has found already; a setting that is changed during the run does not move it.
    """
    with connected(database.url.get_secret_value()) as engine:
        yield open_warehouse(engine, schema or database.schema_name, database.lock_timeout, _notice)


def _notice(sentence: str) -> None:
    try:
        log = get_run_logger()
    except MissingContextError:  # outside of a flow: the query command
        log = get_logger("flows")
    log.warning(sentence)


def workers_of(environment: Environment) -> int:
    """How many tasks of one thread each extract logs at the same time."""
    return max(1, min(environment.thread_count(), _memory(environment) // _MIN_TASK_MEMORY))


def spill_folder(environment: Environment) -> Path:
    """The folder that work spills to, created if missing.

    Raises:
        SettingsError: It cannot be created or written to.
    """
    folder = Path(environment.spill_folder or gettempdir()).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise SettingsError(
            f"Work cannot spill to {str(folder)!r} on this machine: {error.strerror}. Name a folder that can be "
            "written to (DUCKDB_SPILL_FOLDER), and register the environment again."
        ) from error


@contextmanager
def work_space(environment: Environment) -> Iterator[tuple[Path, DuckLimits]]:
    """A scratch folder, and DuckDB's limits for the whole run.

    Raises:
        SettingsError: The folder to spill to cannot be used, or its disk is full.
    """
    with scratch_folder(spill_folder(environment)) as scratch:
        try:
            yield (scratch, DuckLimits(_memory(environment), environment.thread_count(), scratch / "spill"))
        except (OSError, duckdb.IOException):
            if disk_usage(scratch).free > 2**20:
                raise
            raise SettingsError(
                f"The disk of the folder {str(scratch.parent)!r} is full: free some space, or name a folder on a "
                "larger one (DUCKDB_SPILL_FOLDER) and register the environment again. Then run the same id again."
            ) from None


def _memory(environment: Environment) -> int:
    return TypeAdapter(ByteSize).validate_python(environment.memory_limit)
