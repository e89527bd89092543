"""DuckDB sessions with bounded memory, and the SQL files next to the code that runs them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb

from flows.errors import SettingsError
from flows.stopping import interrupted_by_stop

PARQUET = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, ROW_GROUP_SIZE 20480"
"""How Parquet files are written. Row groups are small, so that a reader of a range of users skips
most of each file."""


@dataclass(frozen=True)
class DuckLimits:
    """What one DuckDB session may use.

    Attributes:
        memory: Bytes of memory; beyond it, work spills to disk.
        threads: Number of threads.
        spill: The folder that work spills to.
    """

    memory: int
    threads: int
    spill: Path

    def shared(self, sessions: int) -> "DuckLimits":
        """The limits of each of several concurrent sessions with one thread each."""
        return DuckLimits(self.memory // sessions, 1, self.spill)


@contextmanager
def duck(limits: DuckLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory DuckDB that never uses the network and ends when the flow is stopped.

    Raises:
        SettingsError: The work does not fit into the limits.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{limits.memory}B",
            "threads": limits.threads,
            "temp_directory": str(limits.spill),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # The operating system caches the files already; this cache would fill the memory limit.
            "enable_external_file_cache": "false",
        },
    )
    try:
        # Otherwise a cast to TIMESTAMPTZ would read times without a zone as local times.
        connection.execute("SET TimeZone = 'UTC'")
        with interrupted_by_stop(connection.interrupt):
            yield connection
    except duckdb.OutOfMemoryException as error:
        raise SettingsError(
            f"DuckDB's work does not fit into {limits.memory / 2**20:,.0f} MiB of memory and the "
            "disk that it spills to: raise DUCKDB_MEMORY_LIMIT, or name a folder on a larger disk "
            "(DUCKDB_SPILL_FOLDER), and register the environment again."
        ) from error
    finally:
        connection.close()


def read_sql(package: str, name: str) -> str:
    """The text of the file `{name}.sql` in a package, such as `flows.counting`."""
    return files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def create_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]] = ()
) -> None:
    """Create or replace a table of a few rows from Python.

    Args:
        columns: DuckDB's type of each column, by name.
    """
    definition = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TABLE {name} ({definition})")
    # The rows are one JSON parameter: as a list, each value would cost DuckDB 0.1 ms.
    content = json.dumps([dict(zip(columns, row, strict=True)) for row in rows], ensure_ascii=False)
    shape = json.dumps([columns])
    connection.execute(
        f"INSERT INTO {name} SELECT unnest(from_json($rows, '{shape}'), recursive := true)", {"rows": content}
    )


@dataclass(frozen=True)
class Rows:
    """Rows that a DuckDB query returns, to be copied elsewhere.

    Attributes:
        connection: The DuckDB with the query's tables.
        query: The query.
    """

    connection: duckdb.DuckDBPyConnection
    query: str
