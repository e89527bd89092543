"""Parts of users, of about as many page views each, however the logs lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.logs.bounds import find_bounds
from flows.logs.duck import duck, write
from flows.logs.duck_settings import DuckSettings
from flows.logs.partitions import PART_VIEWS

ROWS = 12 * PART_VIEWS


@pytest.mark.parametrize(
    "user",
    [
        pytest.param("hash(n) % 100_000", id="users at random"),
        pytest.param("n // 30", id="one user behind the other"),
        pytest.param("100_000 - n // 30", id="backwards"),
        pytest.param("n % 2_048", id="as many users as a block has rows"),
        pytest.param("(n // 2_048) % 97", id="a user a block"),
        pytest.param("(hash(n) % 1_000) ** 2 // 10", id="few users with most"),
    ],
)
@pytest.mark.parametrize("files", [1, 24])
def test_parts_are_about_equal(tmp_path: Path, user: str, files: int) -> None:
    with duck(DuckSettings(spill=tmp_path / "spill")) as connection:
        paths = [
            write(
                connection,
                f"SELECT ({user})::BIGINT AS user_id FROM range($first, $last) AS t(n)",
                tmp_path / f"{number}.parquet",
                first=number * ROWS // files,
                last=(number + 1) * ROWS // files,
            )
            for number in range(files)
        ]
        bounds = find_bounds(connection, paths)
        users = connection.sql(
            "SELECT user_id FROM read_parquet($paths)", params={"paths": [str(p) for p in paths]}
        ).fetchnumpy()["user_id"]
    assert (np.diff(bounds) > 0).all()
    sizes = np.bincount(np.searchsorted(bounds, users, "right"))
    assert len(sizes) >= 12
    assert sizes.max() < 3 * PART_VIEWS


@pytest.mark.parametrize(("rows", "parts"), [(0, 1), (PART_VIEWS - 1, 1), (PART_VIEWS, 2)])
def test_few_page_views_are_one_part(tmp_path: Path, rows: int, parts: int) -> None:
    with duck(DuckSettings(spill=tmp_path / "spill")) as connection:
        query = "SELECT n AS user_id FROM range($rows) AS t(n)"
        path = write(connection, query, tmp_path / "one.parquet", rows=rows)
        assert len(find_bounds(connection, [path])) + 1 == parts
