"""Rows of Parquet files as CSV, handed on while they are made."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO

import duckdb

_LIMITS: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "256MB", "threads": 2}


@contextmanager
def csv_stream(query: str, parameters: Mapping[str, Any]) -> Iterator[BinaryIO]:
    """A stream of a query's rows as PostgreSQL's COPY reads them: NULL is nothing, text is quoted.

    The rows are whole only when the context has ended without an error.

    Args:
        query: DuckDB's SQL.
        parameters: Its named parameters.
    """
    reading, writing = os.pipe()

    def make() -> None:
        try:
            with duckdb.connect(":memory:", config=_LIMITS) as connection:
                connection.execute(
                    f"COPY ({query}) TO '/dev/fd/{writing}'"
                    " (FORMAT csv, HEADER false, FORCE_QUOTE *, USE_TMP_FILE false)",
                    dict(parameters),
                )
        finally:
            os.close(writing)

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(make)
        # Closed before the pool is waited for: or the rows that nobody reads any more would wait.
        with open(reading, "rb") as stream:
            yield stream
        made.result()
