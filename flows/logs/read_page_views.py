"""Objects of page views read into a Parquet file: the events, and the URLs they point to."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import numpy as np

from flows.logs.distinct_views import Views, add_judged, empty, no_views
from flows.logs.duck import PARQUET_OF_NUMBERS
from flows.logs.events_file import Written, measure_events
from flows.logs.pieces import Lines, Odd
from flows.logs.records import Rejected, read_page_view
from flows.logs.scan_alike import LAYOUT
from flows.logs.scan_page_views import FIELDS, TEXTS, scan_page_views
from flows.logs.tally import Tally
from flows.logs.verdicts import ANONYMOUS, FULL, OTHER_ENVIRONMENT
from flows.stopping import check_stop

_MOST_UNSURE = 4_096
_URLS = """\
SELECT generate_subscripts(list, 1)::INTEGER - 1 AS number, unnest(list) AS url
FROM (SELECT string_split(decode($urls), chr(0)) AS list)
"""


class PageViewReader:
    """Reads objects of page views, one after the other.

    Args:
        connection: Takes what does not fit into memory.
        log_environment: The records to count.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, log_environment: str) -> None:
        self._connection, self._environment_name = connection, log_environment
        self._environment = np.frombuffer(log_environment.encode(), np.uint8)
        self._unsure = np.empty((_MOST_UNSURE, 3), np.int64)
        self._fields, self._layout = np.empty(FIELDS, np.int64), np.empty(LAYOUT, np.int64)
        self._texts = np.empty(TEXTS, np.uint8)
        self._views = no_views()
        self._spilled = False

    def begin(self) -> None:
        """Forget all earlier objects."""
        empty(self._views)
        self._spilled = False

    def read(
        self, number: int, blocks: Iterator[tuple[bytes, bool]], key: str, tally: Tally
    ) -> None:
        """Read one object to its end."""
        self._views.used[1] = self._views.used[0]
        line = 1
        for block, _ in blocks:
            check_stop()
            line = self._scan(number, Lines.of(block, line), tally)

    def _scan(self, number: int, lines: Lines, tally: Tally) -> int:
        """Judge lines; give the number of the line behind them."""
        data = np.frombuffer(lines.data, np.uint8)
        at, line = 0, lines.first_line
        while at < data.size:
            at, line, left = scan_page_views(
                data,
                at,
                line,
                lines.is_utf8,
                number,
                self._environment,
                self._views,
                tally.verdicts,
                self._unsure,
                self._fields,
                self._layout,
                self._texts,
            )
            for line_number, start, end in self._unsure[:left].tolist():
                self._judge(number, lines.odd(line_number, start, end), tally)
            if left == 0 and at < data.size:
                self._spill()
        return line

    def _judge(self, number: int, odd: Odd, tally: Tally) -> None:
        """Give a line to the reference reader, and book its verdict."""
        try:
            view = read_page_view(odd.raw)
        except Rejected as rejected:
            tally.reject(odd.line_number, rejected.reason, odd.raw)
            return
        if view.environment != self._environment_name:
            tally.verdicts[OTHER_ENVIRONMENT] += 1
        elif view.user_id is None:
            tally.verdicts[ANONYMOUS] += 1
        else:
            url = np.frombuffer(view.url.encode(), np.uint8)
            verdict = add_judged(self._views, number, view.at, view.user_id, url)
            if verdict == FULL:
                self._spill()
                verdict = add_judged(self._views, number, view.at, view.user_id, url)
            tally.verdicts[verdict] += 1

    def _spill(self) -> None:
        """Make room: what is known so far goes to DuckDB, which keeps it on disk."""
        if not self._spilled:
            columns = "object INTEGER, instant TIMESTAMP, user_id BIGINT, url VARCHAR"
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE spilled ({columns})")
        self._hand_over()
        self._connection.execute(
            "INSERT INTO spilled SELECT object, instant, user_id, urls.url"
            f" FROM views JOIN ({_URLS}) AS urls ON views.url = urls.number",
            self._urls(),
        )
        self._spilled = True
        empty(self._views)

    def _hand_over(self) -> None:
        """Make the view `views` of the connection."""
        views: Views = self._views
        count = int(views.used[0])
        self._connection.register(
            "arrays",
            {
                "object": views.objects[:count],
                "microseconds": views.instants[:count],
                "user_id": views.users[:count],
                "url": views.urls[:count],
            },
        )
        self._connection.execute(
            "CREATE OR REPLACE TEMP VIEW views AS"
            " SELECT object, make_timestamp(microseconds) AS instant, user_id, url FROM arrays"
        )

    def _urls(self) -> dict[str, bytes]:
        """The parameter of `_URLS`: the URLs by number, with U+0000 between them."""
        end = int(self._views.url_starts[int(self._views.used[2])])
        return {"urls": self._views.url_bytes[: max(0, end - 1)].tobytes()}

    def write(self, events: Path, urls: Path) -> Written:
        """Write the distinct events (object, instant, user_id, url).

        An event's url is the place of its URL, from 0: in the file's metadata `urls`, with U+0000
        between URLs, which costs next to nothing; or, where those were too many for memory, in a
        file of their own (url).
        """
        if self._spilled:
            return self._write_spilled(events, urls)
        self._hand_over()
        query = "SELECT object, instant, user_id, url FROM views"
        self._copy(query, events, ", KV_METADATA {urls: $urls}", self._urls())
        count = int(self._views.used[0])
        if not count:
            return {}
        # The rows of an object lie together.
        objects, instants = self._views.objects[:count], self._views.instants[:count]
        one = objects[0] == objects[-1]  # which most units hold
        starts = np.zeros(1, np.int64) if one else np.flatnonzero(np.diff(objects, prepend=-1))
        counts = np.diff(starts, append=count)
        firsts, lasts = np.minimum.reduceat(instants, starts), np.maximum.reduceat(instants, starts)
        return {
            number: (of, (first, last))
            for number, of, first, last in zip(
                *(some.tolist() for some in (objects[starts], counts, firsts, lasts)), strict=True
            )
        }

    def _write_spilled(self, events: Path, urls: Path) -> Written:
        """Write what was spilled, and what is left."""
        self._spill()
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE urls AS"
            " SELECT (row_number() OVER (ORDER BY url) - 1)::INTEGER AS number, url"
            " FROM (SELECT DISTINCT url FROM spilled)"
        )
        self._copy(
            "SELECT DISTINCT object, instant, user_id, number AS url"
            " FROM spilled JOIN urls USING (url) ORDER BY ALL",
            events,
        )
        self._copy("SELECT url FROM urls ORDER BY number", urls)
        return measure_events(self._connection, events)

    def _copy(
        self, query: str, path: Path, more: str = "", values: Mapping[str, bytes] | None = None
    ) -> None:
        self._connection.execute(
            f"COPY ({query}) TO $path ({PARQUET_OF_NUMBERS}{more})",
            {"path": str(path), **(values or {})},
        )
