"""What is known of a file of events."""

from pathlib import Path
from typing import TypeAlias

import duckdb

from flows.logs.spans import Span

Written: TypeAlias = dict[int, tuple[int, Span]]
"""How many events an object has, and their span of time, by its number; without events, nothing."""


def measure_events(connection: duckdb.DuckDBPyConnection, events: Path) -> Written:
    """Read the figures from the file."""
    found = connection.execute(
        "SELECT object, count(*), epoch_us(min(instant)), epoch_us(max(instant))"
        " FROM read_parquet(?) GROUP BY object",
        [str(events)],
    ).fetchall()
    return {number: (count, (first, last)) for number, count, first, last in found}
