"""Each user's latest update, of all extracts."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from flows.logs.duck import rows, sql, write
from flows.stopping import interrupted_by_stop

_UPDATES_AT_ONCE = 1_000_000


def write_latest(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[tuple[Path, Sequence[int]]],
    path: Path,
) -> int:
    """Write each user's latest update (user_id, instant, email, name); give how many distinct ones
    there are of all users.

    Args:
        connection: Does the work; its own temporary tables are used.
        parts: The extracts' files of events, each with the numbers of objects that do not count.
        path: The file.
    """
    with interrupted_by_stop(connection.interrupt):
        _load_emails(connection, parts)
        write(connection, sql("latest"), path)
        query = "SELECT coalesce(sum(updates), 0)::BIGINT FROM emails"
        [(total,)] = connection.execute(query).fetchall()
        connection.execute("DROP TABLE emails")
    return int(total)


def _load_emails(
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
