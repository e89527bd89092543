"""The URLs of several extracts, numbered."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from flows.logs.duck import sql

# DuckDB holds the metadata of all files that it is given at once, and takes them apart in memory.
_AT_ONCE_BYTES = 128 * 2**20
Files = Sequence[tuple[Path, Path | None]]


def load_places(connection: duckdb.DuckDBPyConnection, files: Files) -> None:
    """Make the tables `urls` and `places`.

    Args:
        connection: Takes the tables.
        files: The extracts' files of events, in the order in which they are read, each with the
            file of its URLs where its metadata do not hold them.
    """
    connection.execute("CREATE TEMP TABLE found_urls (url VARCHAR)")
    connection.execute("CREATE TEMP TABLE places (file INTEGER, place INTEGER, url INTEGER)")
    groups = list(_groups(files))
    for first, group in groups:
        _list_urls(connection, first, group)
        connection.execute("INSERT INTO found_urls SELECT DISTINCT url FROM listed_urls")
    connection.execute(sql("urls"))
    for first, group in groups:
        if len(groups) > 1:
            _list_urls(connection, first, group)
        connection.execute(sql("places"))
    connection.execute("DROP TABLE IF EXISTS listed_urls; DROP TABLE found_urls")


def _groups(files: Files) -> Iterator[tuple[int, Files]]:
    """The files, some at a time, each time with the number of the first one."""
    first, size = 0, 0
    for number, (events, _) in enumerate(files):
        # Its metadata are a part of a file.
        own = events.stat().st_size
        if number > first and size + own > _AT_ONCE_BYTES:
            yield first, files[first:number]
            first, size = number, 0
        size += own
    if files:
        yield first, files[first:]


def _list_urls(connection: duckdb.DuckDBPyConnection, first: int, files: Files) -> None:
    """Make the table `listed_urls` anew: which URL each place of these extracts stands for."""
    events = [str(path) for path, _ in files]
    connection.execute(sql("listed_urls"), {"events": events, "first": first})
    for number, (_, urls) in enumerate(files, first):
        if urls is not None:
            connection.execute(
                "INSERT INTO listed_urls SELECT $file, file_row_number, url"
                " FROM read_parquet($urls, file_row_number = true)",
                {"file": number, "urls": str(urls)},
            )
