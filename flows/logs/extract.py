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
from flows.logs.rejects import COLUMNS
from flows.logs.spans import Span
from flows.logs.streams import MOST_EXPANSION, decompressed, whole_lines, within_ratio
from flows.logs.tally import Tally

OpenObject = Callable[[LogObject], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Extracted:
    """What one unit gave: files in the scratch folder, an account and a span of each object.

    `events` has the columns object (its place in `objects`), instant, user_id and url (page views:
    the place of the URL in the file's metadata, or in the file `urls` where there is one, from 0),
    or email and name (user updates), distinct within an object. An object without events has no
    span. `rejects` has object_key, line_number, reason and line.
    """

    objects: list[LogObject]
    counts: list[Counts]
    spans: list[Span | None]
    events: Path
    urls: Path | None
    rejects: Path | None


class Extractor:
    """Reads units of log objects; equal objects give equal files, byte for byte.

    Args:
        connection: A DuckDB of one thread, so that files are equal.
        log_environment: The environment whose records count.
        scratch: A folder for the files; those of an earlier unit are replaced.
        most_expansion: How many times its stored size an object may expand to.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        log_environment: str,
        scratch: Path,
        most_expansion: int = MOST_EXPANSION,
    ) -> None:
        self._connection, self._scratch = connection, scratch
        self._most_expansion = most_expansion
        # Kept from unit to unit: new memory takes the time of a third of the reading.
        self._page_views = PageViewReader(connection, log_environment)
        self._user_updates = UserUpdateReader(connection, log_environment)

    def extract(self, objects: Sequence[LogObject], open_object: OpenObject) -> Extracted:
        """Read the objects of one unit, which are all of one kind.

        Args:
            objects: The unit.
            open_object: Gives an object's stored bytes.

        Raises:
            LogsError: An object cannot be decompressed to its end, expands too much, or holds a
                record that is too long.
        """
        tallies = [Tally() for _ in objects]
        events, urls = self._scratch / "events.parquet", self._scratch / "urls.parquet"
        urls.unlink(missing_ok=True)
        reader = self._page_views if objects[0].kind == "page_views" else self._user_updates
        reader.begin()
        for number, (item, tally) in enumerate(zip(objects, tallies, strict=True)):
            with open_object(item) as stream:
                plain = decompressed(stream, item.key)
                plain = within_ratio(plain, item.key, item.size, self._most_expansion)
                reader.read(number, whole_lines(plain, item.key), item.key, tally)
        written = reader.write(events, urls)
        found = [written.get(number, (0, None)) for number in range(len(objects))]
        counts = [
            tally.counts(distinct) for tally, (distinct, _) in zip(tallies, found, strict=True)
        ]
        for item, account in zip(objects, counts, strict=True):
            account.check(item.key)
        return Extracted(
            list(objects),
            counts,
            [span for _, span in found],
            events,
            urls if urls.exists() else None,
            _write_rejects(self._connection, objects, tallies, self._scratch),
        )


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
    select, parameters = rows(COLUMNS, rejected)
    connection.sql(select, params=parameters).write_parquet(str(path), compression="zstd")
    return path
