"""What is known of a file of events."""

from pathlib import Path
from typing import TypeAlias

import duckdb

Written: TypeAlias = tuple[dict[int, int], tuple[int, int] | None]
"""How many events each object has, by its number; and the first and last instant of all, in
microseconds since 1970 (None: there are none)."""


def measure_events(connection: duckdb.DuckDBPyConnection, events: Path) -> Written:
    """Read the figures from the file."""
    found = connection.execute(
        "SELECT object, count(*), epoch_us(min(instant)), epoch_us(max(instant))"
        " FROM read_parquet(?) GROUP BY object",
        [str(events)],
    ).fetchall()
    span = (min(row[2] for row in found), max(row[3] for row in found)) if found else None
    return {number: count for number, count, _, _ in found}, span
