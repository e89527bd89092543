"""Rows of Parquet files as CSV, handed on while they are made."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import duckdb

from flows.warehouse.stream import LIMITS, streamed


def csv_stream(path: Path, columns: Sequence[str]) -> AbstractContextManager[BinaryIO]:
    """A Parquet file's rows as PostgreSQL's COPY reads them: NULL is nothing, text is quoted.

    Args:
        path: The Parquet file.
        columns: The columns, in this order.
    """
    names = ", ".join(f'"{column}"' for column in columns)

    def make(stream: BinaryIO) -> None:
        with duckdb.connect(":memory:", config=LIMITS) as connection:
            connection.execute(
                f"COPY (SELECT {names} FROM read_parquet($path)) TO '/dev/fd/{stream.fileno()}'"
                " (FORMAT csv, HEADER false, FORCE_QUOTE *, USE_TMP_FILE false)",
                {"path": str(path)},
            )

    return streamed(make)
