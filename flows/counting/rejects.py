"""The rejected records of several extracts as rows of rejected_records."""

from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from flows.duck import Rows, create_table, read_sql

Rejects = Mapping[Path, Collection[str]]
"""Files of rejects; for each, the keys of the objects that count."""

_COLUMNS = {"object_key": "VARCHAR", "line_number": "BIGINT", "reason": "VARCHAR", "line": "VARCHAR"}


def load_rejects(connection: duckdb.DuckDBPyConnection, rejects: Rejects) -> Rows:
    """Rows of object_key, line_number, reason and line."""
    if rejects:
        wanted = [(file, key) for file, keys in enumerate(rejects.values()) for key in keys]
        columns = {"file_index": "UBIGINT", "object_key": "VARCHAR"}
        create_table(connection, "wanted_rejects", columns, wanted)
        files = {"files": [str(path) for path in rejects]}
        connection.execute(read_sql("flows.counting.sql", "rejects"), files)
    else:
        create_table(connection, "rejects", _COLUMNS)
    return Rows(connection, "FROM rejects")
