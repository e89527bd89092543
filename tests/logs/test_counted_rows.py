"""Rows on their way into a Parquet file."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from flows.logs.counted_rows import CountedRows


def rows_from(first: int, last: int) -> dict[str, NDArray[np.int64]]:
    users = np.arange(first, last)
    return {
        "user_id": users - 2**62,
        "url": users % 7 + 1,
        "count": users * 2**33 + 1,
        "last_viewed": users * 1_000_001,
    }


@pytest.mark.parametrize("held", [1, 10, 26, 1_000])
def test_rows_are_written_in_their_order_however_few_are_held(tmp_path: Path, held: int) -> None:
    connection = duckdb.connect(config={"threads": 2})
    counted = CountedRows(connection, tmp_path, held)
    for first, last in ((0, 0), (0, 1), (1, 12), (12, 26)):
        counted.add(rows_from(first, last))
    path = counted.write(tmp_path / "table.parquet")
    written = connection.execute(
        "SELECT user_id, url, count, epoch_us(last_viewed) FROM read_parquet($path)",
        {"path": str(path)},
    ).fetchall()
    wanted = rows_from(0, 26)
    assert written == list(zip(*(column.tolist() for column in wanted.values()), strict=True))
    assert (counted.rows, counted.page_views) == (26, sum(wanted["count"].tolist()))


def test_no_rows_are_an_empty_file(tmp_path: Path) -> None:
    connection = duckdb.connect()
    path = CountedRows(connection, tmp_path, 5).write(tmp_path / "table.parquet")
    query = "SELECT * FROM read_parquet($path)"
    assert connection.execute(query, {"path": str(path)}).fetchall() == []
