"""DuckDB's memory is for the work: the files it reads are in the system's cache already."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.warehouse.stream import LIMITS

_KEPT = """
SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()
WHERE tag = 'EXTERNAL_FILE_CACHE'
"""


def kept(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Bytes of a Parquet file that are kept in memory once it is read."""
    connection.execute(
        "SELECT sum(number) FROM read_parquet($path)", {"path": str(path)}
    ).fetchall()
    [(size,)] = connection.execute(_KEPT).fetchall()
    return int(size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A Parquet file."""
    file = tmp_path / "numbers.parquet"
    duckdb.sql("SELECT hash(i) AS number FROM range(200000) AS n (i)").write_parquet(str(file))
    return file


def test_the_files_it_reads_are_not_kept(path: Path, tmp_path: Path) -> None:
    with duckdb.connect(":memory:") as usual:
        assert kept(usual, path) > 0
    with duck(DuckSettings(threads=1, spill=tmp_path / "spill")) as connection:
        assert kept(connection, path) == 0
    with duckdb.connect(":memory:", config=LIMITS) as connection:
        assert kept(connection, path) == 0
