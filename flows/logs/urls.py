"""The URLs of several extracts, numbered."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from flows.logs.duck import sql


def load_places(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Make the tables `urls` and `places`.

    Args:
        connection: Takes the tables.
        files: The extracts' files of URLs, in the order in which their events are read.
    """
    parameters = {"urls": [str(path) for path in files]}
    connection.execute(sql("urls"), parameters)
    connection.execute(sql("places"), parameters)
