"""Extract: the objects of one unit in; distinct valid records, rejects and accounts out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.counts import Counts
from flows.duck import PARQUET, DuckLimits, duck, read_sql
from flows.logs.objects import LogObject
from flows.logs.page_views import judge_page_views
from flows.logs.plain_file import PlainFile
from flows.logs.spans import Span
from flows.logs.user_updates import judge_user_updates


@dataclass(frozen=True)
class Extracted:
    """What one unit of log objects contains.

    Attributes:
        counts: The account of each object.
        spans: The first and last instant of each object's events (None: it has none).
        events: Parquet file of object (the place in `objects`), instant, user_id and url (page views) or email and name
            (user updates), distinct within an object, sorted by user_id.
        rejects: Parquet file of object_key, line_number, reason and line, at most 1,000 per object (None: there are
            none).
    """

    objects: list[LogObject]
    counts: list[Counts]
    spans: list[Span | None]
    events: Path
    rejects: Path | None


def extract(
    objects: Sequence[LogObject], files: Sequence[PlainFile], log_environment: str, scratch: Path, limits: DuckLimits
) -> Extracted:
    """Judge the lines of the objects of one unit, which are all of one kind.

    With one thread, equal objects give equal files, byte for byte.

    Args:
        scratch: A folder for the results; those of an earlier unit are replaced.
    """
    events, rejects = scratch / "events.parquet", scratch / "rejects.parquet"
    with duck(limits) as connection:
        connection.execute(read_sql("flows.logs", "rules"))
        if objects[0].kind == "page_views":
            judge_page_views(connection, files, log_environment)
            columns = "url"
        else:
            judge_user_updates(connection, files, log_environment, scratch)
            columns = "email, name"
        counted = (
            f"SELECT DISTINCT user_id, {columns}, instant, object FROM judged WHERE verdict = 'counted' ORDER BY ALL"
        )
        connection.execute(f"COPY ({counted}) TO $path ({PARQUET})", {"path": str(events)})
        counts, spans = _measure(connection, len(objects), events)
        rejected = any(one.rejected for one in counts)
        if rejected:
            _write_rejects(connection, objects, rejects)
    for item, account in zip(objects, counts, strict=True):
        account.check(item.key)
    return Extracted(list(objects), counts, spans, events, rejects if rejected else None)


def _measure(
    connection: duckdb.DuckDBPyConnection, objects: int, events: Path
) -> tuple[list[Counts], list[Span | None]]:
    """The account of each object and the span of its events."""
    verdicts: dict[int, dict[str, int]] = defaultdict(dict)
    query = "SELECT object, verdict, count(*) FROM judged GROUP BY ALL"
    for number, verdict, count in connection.execute(query).fetchall():
        verdicts[number][verdict] = count
    written = connection.execute(read_sql("flows.logs", "measure_events"), {"events": str(events)}).fetchall()
    distinct = {number: (count, (first, last)) for number, count, first, last in written}
    none: tuple[int, Span | None] = (0, None)
    found = [distinct.get(number, none) for number in range(objects)]
    counts = [Counts.of(verdicts[number], count) for number, (count, _) in enumerate(found)]
    return counts, [span for _, span in found]


def _write_rejects(connection: duckdb.DuckDBPyConnection, objects: Sequence[LogObject], path: Path) -> None:
    connection.execute(read_sql("flows.logs", "first_rejects"), {"keys": [item.key for item in objects]})
    connection.execute(f"COPY first_rejects TO $path ({PARQUET})", {"path": str(path)})
