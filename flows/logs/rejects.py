"""The rejects of several extracts in one file."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from flows.logs.duck import rows, write

COLUMNS = {"object_key": "VARCHAR", "line_number": "BIGINT", "reason": "VARCHAR", "line": "VARCHAR"}


def merge_rejects(
    connection: duckdb.DuckDBPyConnection, wanted: Iterable[tuple[Path, list[str]]], path: Path
) -> Path | None:
    """Write the rejects of the wanted keys into a Parquet file; None where there are none.

    Args:
        connection: Does the work.
        wanted: Files of rejects, each with the keys of its objects that count.
        path: The file to write.
    """
    pairs = [(str(file), key) for file, keys in wanted for key in keys]
    if not pairs:
        return None
    select, parameters = rows({"filename": "VARCHAR", "object_key": "VARCHAR"}, pairs)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted_rejects AS {select}", parameters)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE rejects AS SELECT {', '.join(COLUMNS)}"
        " FROM read_parquet($files, filename = true)"
        " SEMI JOIN wanted_rejects USING (filename, object_key)"
        " ORDER BY object_key, line_number",
        {"files": sorted({file for file, _ in pairs})},
    )
    return write(connection, "FROM rejects", path)
