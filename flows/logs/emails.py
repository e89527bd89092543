"""Each user's latest update, of all extracts."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from flows.logs.duck import rows, sql

_UPDATES_AT_ONCE = 1_000_000


def load_emails(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[tuple[Path, Sequence[int]]]
) -> None:
    """Make the table `emails`: each user's latest update, and how many distinct ones there are."""
    pairs = [(number, one) for number, (_, unwanted) in enumerate(parts) for one in unwanted]
    select, parameters = rows({"file": "INTEGER", "object": "INTEGER"}, pairs)
    connection.execute(f"CREATE TEMP TABLE unwanted AS {select}", parameters)
    connection.execute(
        "CREATE TEMP TABLE emails (user_id BIGINT,"
        " latest STRUCT(instant TIMESTAMP, email VARCHAR, name VARCHAR), updates BIGINT)"
    )
    events = [str(path) for path, _ in parts]
    query = "SELECT count(*) FROM read_parquet($events)"
    [(updates,)] = connection.execute(query, {"events": events}).fetchall()
    # So few users at a time that all their updates can be told apart in memory.
    of = 1 + updates // _UPDATES_AT_ONCE
    for part in range(of):
        connection.execute(sql("emails"), {"events": events, "part": part, "parts": of})
