"""The URLs of several extracts, numbered."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from flows.logs.duck import sql


def load_places(
    connection: duckdb.DuckDBPyConnection, files: Sequence[tuple[Path, Path | None]]
) -> None:
    """Make the tables `urls` and `places`.

    Args:
        connection: Takes the tables.
        files: The extracts' files of events, in the order in which they are read, each with the
            file of its URLs where its metadata do not hold them.
    """
    events = [str(path) for path, _ in files]
    connection.execute(sql("listed_urls"), {"events": events})
    for number, (_, urls) in enumerate(files):
        if urls is not None:
            connection.execute(
                "INSERT INTO listed_urls SELECT $file, file_row_number, url"
                " FROM read_parquet($urls, file_row_number = true)",
                {"file": number, "urls": str(urls)},
            )
    connection.execute(sql("urls"))
    connection.execute(sql("places"))
    connection.execute("DROP TABLE listed_urls")
