"""DuckDB: its connections, and the SQL files."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import duckdb

from flows.errors import SettingsError
from flows.logs.duck_settings import DuckSettings
from flows.stopping import interrupted_by_stop

_PARQUET = "FORMAT parquet, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 1"
PARQUET = f"{_PARQUET}, COMPRESSION zstd"
"""How files are written: version 2 keeps numbers as differences, in two thirds of the bytes; a look
for values that come again (a dictionary) takes as long as all else, and makes larger files."""
PARQUET_OF_NUMBERS = f"{_PARQUET}, COMPRESSION snappy"
"""Where differences leave little to compress: a fifth of the time less, 4 % more bytes."""


@contextmanager
def duck(settings: DuckSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private DuckDB that never reaches out to the network.

    Raises:
        SettingsError: The work did not fit into its limits.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory_limit,
        "threads": str(settings.threads),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # The system's own cache has the files already; this one would grow to the memory limit.
        "enable_external_file_cache": "false",
    }
    if settings.spill is not None:
        config["temp_directory"] = str(settings.spill)
    connection = duckdb.connect(":memory:", config=config)
    try:
        with interrupted_by_stop(connection.interrupt):
            yield connection
    except duckdb.OutOfMemoryException as error:
        raise SettingsError(
            f"DuckDB's work does not fit into {settings.memory_limit} of memory, with as much on "
            "disk as can be: raise DUCKDB_MEMORY_LIMIT, or name a folder on a larger disk "
            "(DUCKDB_SPILL_FOLDER), and register the environment again."
        ) from error
    finally:
        connection.close()


def rows(
    types: Mapping[str, str], values: Iterable[tuple[object, ...]]
) -> tuple[str, dict[str, str]]:
    """A SELECT that gives these rows, and its parameters.

    The rows are one parameter, as JSON: for each value of a list of Python's, DuckDB 1.5 looks
    for pandas anew, which takes a tenth of a millisecond where there is none.

    Args:
        types: The columns: DuckDB's type by name.
        values: The rows; no text in them holds U+0000 or a lone surrogate.
    """
    lists = [list(column) for column in zip(*values, strict=True)] or [[] for _ in types]
    content = json.dumps(dict(zip(types, lists, strict=True)), ensure_ascii=False, default=str)
    shape = json.dumps({name: [kind] for name, kind in types.items()})
    unnested = ", ".join(f"unnest(c.{name}) AS {name}" for name in types)
    return (
        f"SELECT {unnested} FROM (SELECT from_json($rows, '{shape}') AS c)",
        {"rows": content},
    )


def write(
    connection: duckdb.DuckDBPyConnection, query: str, path: Path, **parameters: object
) -> Path:
    """Write a query's rows into a Parquet file, and give its path."""
    query = query.rstrip().rstrip(";")
    connection.execute(f"COPY ({query}) TO $path ({PARQUET})", {**parameters, "path": str(path)})
    return path


def sql(name: str) -> str:
    """The text of `flows/logs/sql/{name}.sql`."""
    return files("flows.logs").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
