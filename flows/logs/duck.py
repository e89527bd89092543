"""DuckDB: its limits, its connections, and the SQL files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb

from flows.stopping import interrupted_by_stop


@dataclass(frozen=True)
class DuckSettings:
    """Limits of the data work: DuckDB's memory (such as `1GB`), its threads, its spill folder."""

    memory_limit: str = "1GB"
    threads: int = 2
    spill: Path | None = None


@contextmanager
def duck(settings: DuckSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private DuckDB that never reaches out to the network."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory_limit,
        "threads": str(settings.threads),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if settings.spill is not None:
        config["temp_directory"] = str(settings.spill)
    connection = duckdb.connect(":memory:", config=config)
    try:
        with interrupted_by_stop(connection.interrupt):
            yield connection
    finally:
        connection.close()


def sql(name: str) -> str:
    """The text of `flows/logs/sql/{name}.sql`."""
    return files("flows.logs").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
