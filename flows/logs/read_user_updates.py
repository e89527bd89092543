"""Objects of user updates read into one Parquet file of events."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from flows.logs.csv_records import read_record
from flows.logs.duck import PARQUET, rows
from flows.logs.events_file import Written, measure_events
from flows.logs.pieces import Lines, Odd, csv_pieces
from flows.logs.records import Rejected, read_user_update
from flows.logs.scan_user_updates import FIELDS, no_updates, scan_user_updates
from flows.logs.tally import Tally
from flows.logs.verdicts import COUNTED, OTHER_ENVIRONMENT
from flows.stopping import check_stop

_MOST_UNSURE = 4_096
# What the reference reader has accepted waits in memory, bounded in rows and in bytes.
_MOST_SLOW, _MOST_SLOW_BYTES = 100_000, 16 * 2**20
_EPOCH = datetime(1970, 1, 1)
_COLUMNS = {
    "object": "INTEGER",
    "instant": "TIMESTAMP",
    "user_id": "BIGINT",
    "email": "VARCHAR",
    "name": "VARCHAR",
}


class UserUpdateReader:
    """Reads objects of user updates, one after the other.

    Args:
        connection: Takes the events.
        log_environment: The records to count.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, log_environment: str) -> None:
        self._connection, self._environment_name = connection, log_environment
        self._environment = np.frombuffer(log_environment.encode(), np.uint8)
        self._unsure = np.empty((_MOST_UNSURE, 3), np.int64)
        self._fields = np.empty(FIELDS, np.int64)
        self._updates = no_updates()
        self._slow: list[tuple[object, ...]] = []
        self._slow_bytes = 0

    def begin(self) -> None:
        """Forget all earlier objects."""
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE events ({columns})")
        self._updates.used.fill(0)
        self._slow, self._slow_bytes = [], 0

    def read(
        self, number: int, blocks: Iterator[tuple[bytes, bool]], key: str, tally: Tally
    ) -> None:
        """Read one object to its end."""
        for piece in csv_pieces(blocks, key):
            check_stop()
            if isinstance(piece, Odd):
                self._judge(number, piece, tally)
            else:
                self._scan(number, piece, tally)

    def _scan(self, number: int, lines: Lines, tally: Tally) -> None:
        data = np.frombuffer(lines.data, np.uint8)
        at, line = 0, lines.first_line
        while at < data.size:
            at, line, left = scan_user_updates(
                data,
                at,
                line,
                lines.is_utf8,
                number,
                self._environment,
                self._updates,
                tally.verdicts,
                self._unsure,
                self._fields,
            )
            for line_number, start, end in self._unsure[:left].tolist():
                self._judge(number, lines.odd(line_number, start, end), tally)
            if left == 0 and at < data.size:
                self._hand_over()

    def _judge(self, number: int, odd: Odd, tally: Tally) -> None:
        """Give a line or record to the reference reader, and book its verdict."""
        if not odd.raw.strip(b" \t\r"):
            return
        record = odd.record or read_record(odd.raw, 0, complete=True)
        try:
            update = read_user_update(record.raw, record.fields)
        except Rejected as rejected:
            tally.reject(odd.line_number, rejected.reason, record.raw)
            return
        if update is None:
            return
        if update.environment != self._environment_name:
            tally.verdicts[OTHER_ENVIRONMENT] += 1
            return
        tally.verdicts[COUNTED] += 1
        instant = _EPOCH + timedelta(microseconds=update.at)
        self._slow.append((number, instant, update.user_id, update.email, update.name))
        self._slow_bytes += len(record.raw)
        if len(self._slow) >= _MOST_SLOW or self._slow_bytes >= _MOST_SLOW_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give what has been counted to DuckDB, which keeps it on disk."""
        updates = self._updates
        count, size = updates.used.tolist()
        if count:
            self._connection.register(
                "arrays",
                {
                    "object": updates.objects[:count],
                    "microseconds": updates.instants[:count],
                    "user_id": updates.users[:count],
                },
            )
            # One text: DuckDB is slow to take Python's lists (see duck.rows). In a row: the parts
            # of a constant it would make one by one, before the query runs.
            self._connection.execute(
                "INSERT INTO events"
                " SELECT object, make_timestamp(microseconds), user_id, email, name"
                " FROM arrays POSITIONAL JOIN ("
                " SELECT unnest(list[1:-:2]) AS email, unnest(list[2:-:2]) AS name"
                " FROM (SELECT string_split(text, chr(0)) AS list"
                " FROM (VALUES ($text)) AS one (text)))",
                {"text": updates.text[: size - 1].tobytes().decode()},
            )
            updates.used[:] = 0
        if self._slow:
            select, parameters = rows(_COLUMNS, self._slow)
            self._slow, self._slow_bytes = [], 0
            self._connection.execute(f"INSERT INTO events {select}", parameters)

    def write(self, events: Path, urls: Path) -> Written:
        """Write the distinct events (object, instant, user_id, email, name)."""
        self._hand_over()
        self._connection.execute(
            f"COPY (SELECT DISTINCT * FROM events ORDER BY ALL) TO $path ({PARQUET})",
            {"path": str(events)},
        )
        return measure_events(self._connection, events)
