"""Extract: log objects in, one Parquet file of distinct, valid records and an account out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb

from flows.logs.counts import Counts
from flows.logs.duck import rows
from flows.logs.objects import LogObject
from flows.logs.read_page_views import PageViewReader
from flows.logs.read_user_updates import UserUpdateReader
from flows.logs.streams import MOST_EXPANSION, decompressed, whole_lines, within_ratio
from flows.logs.tally import Tally

SCHEMA_VERSION = 3
"""Part of every extract's name: raise it with any change of what a record or a file is."""

_REJECT_COLUMNS = {
    "object_key": "VARCHAR",
    "line_number": "BIGINT",
    "reason": "VARCHAR",
    "line": "VARCHAR",
}
OpenObject = Callable[[LogObject], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Extracted:
    """What one unit gave: files in the scratch folder and an account of each object.

    `events` has the columns object (its place in `objects`), instant, user_id and url (page views:
    the place of the URL in the file `urls`, from 0), or email and name (user updates), distinct
    within an object; `span` is their first and last instant, in microseconds since 1970. `rejects`
    has object_key, line_number, reason and line.
    """

    objects: list[LogObject]
    counts: list[Counts]
    span: tuple[int, int] | None
    events: Path
    urls: Path | None
    rejects: Path | None


def extract(
    connection: duckdb.DuckDBPyConnection,
    objects: Sequence[LogObject],
    open_object: OpenObject,
    log_environment: str,
    scratch: Path,
    most_expansion: int = MOST_EXPANSION,
) -> Extracted:
    """Read objects of one kind; equal objects give equal files, byte for byte.

    Args:
        connection: A DuckDB of one thread, so that files are equal; it may serve many extracts.
        objects: Log objects, all of one kind.
        open_object: Gives an object's stored bytes.
        log_environment: The environment whose records count.
        scratch: A folder for the files; those of an earlier extract are replaced.
        most_expansion: How many times its stored size an object may expand to.

    Raises:
        LogsError: An object cannot be decompressed to its end, expands too much, or holds a
            record that is too long.
    """
    tallies = [Tally() for _ in objects]
    events, urls = scratch / "events.parquet", scratch / "urls.parquet"
    page_views = objects[0].kind == "page_views"
    reader = (PageViewReader if page_views else UserUpdateReader)(connection, log_environment)
    for number, (item, tally) in enumerate(zip(objects, tallies, strict=True)):
        with open_object(item) as stream:
            plain = decompressed(stream, item.key)
            plain = within_ratio(plain, item.key, item.size, most_expansion)
            reader.read(number, whole_lines(plain, item.key), item.key, tally)
    distinct, span = reader.write(events, urls)
    counts = [tally.counts(distinct.get(number, 0)) for number, tally in enumerate(tallies)]
    for item, account in zip(objects, counts, strict=True):
        account.check(item.key)
    rejects = _write_rejects(connection, objects, tallies, scratch)
    return Extracted(list(objects), counts, span, events, urls if page_views else None, rejects)


def _write_rejects(
    connection: duckdb.DuckDBPyConnection,
    objects: Sequence[LogObject],
    tallies: Sequence[Tally],
    scratch: Path,
) -> Path | None:
    rejected: list[tuple[object, ...]] = []
    for item, tally in zip(objects, tallies, strict=True):
        tally.keep_first()
        rejected.extend((item.key, *reject) for reject in tally.rejects)
    if not rejected:
        return None
    path = scratch / "rejects.parquet"
    select, parameters = rows(_REJECT_COLUMNS, rejected)
    connection.sql(select, params=parameters).write_parquet(str(path), compression="zstd")
    return path
