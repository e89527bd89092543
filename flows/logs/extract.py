"""Extract: log objects in, one Parquet file of distinct, valid records and an account out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from flows.logs.counts import Counts
from flows.logs.csv_records import read_record
from flows.logs.duck import DuckSettings, duck, rows, sql
from flows.logs.objects import LogObject
from flows.logs.pieces import Lines, Odd, csv_pieces, json_pieces
from flows.logs.records import PageView, Rejected, read_page_view, read_user_update
from flows.logs.streams import MOST_EXPANSION, decompressed, whole_lines, within_ratio
from flows.stopping import check_stop

SCHEMA_VERSION = 2
"""Part of every extract's name: raise it with any change of what a record or a file is."""

COLUMNS = {
    "page_views": {"user_id": "BIGINT", "url": "VARCHAR"},
    "user_updates": {"user_id": "BIGINT", "email": "VARCHAR", "name": "VARCHAR"},
}
"""What a record of each kind holds beside its instant."""

_REJECT_COLUMNS = {
    "object_key": "VARCHAR",
    "line_number": "BIGINT",
    "reason": "VARCHAR",
    "line": "VARCHAR",
}
MOST_REJECTS = 1_000
MOST_REJECT_CHARACTERS = 1_000
# What waits in memory is bounded in characters, and in lines, which may be one character each.
_BATCH_CHARACTERS = 16 * 2**20
_BATCH_LINES = 300_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None)

OpenObject = Callable[[LogObject], AbstractContextManager[BinaryIO]]


@dataclass
class _Tally:
    """One object's account while it is read; rejects are the first ones by line number."""

    counts: Counts = field(default_factory=Counts)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)

    def reject(self, line_number: int, reason: str, raw: bytes) -> None:
        self.counts.lines += 1
        self.counts.rejected += 1
        self.counts.reasons[reason] = self.counts.reasons.get(reason, 0) + 1
        start = raw[: 4 * MOST_REJECT_CHARACTERS].decode(errors="replace")
        text = start.replace("\0", "\ufffd")[:MOST_REJECT_CHARACTERS]
        self.rejects.append((line_number, reason, text))
        if len(self.rejects) > 4 * MOST_REJECTS:
            self.keep_first()

    def keep_first(self) -> None:
        self.rejects = sorted(self.rejects)[:MOST_REJECTS]


class _Reader:
    """Reads objects of one kind into the table `events` of one DuckDB connection."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        kind: str,
        log_environment: str,
        most_expansion: int,
    ) -> None:
        self.connection, self.kind, self.log_environment = connection, kind, log_environment
        self.most_expansion = most_expansion
        self.columns = {"object": "INTEGER", "instant": "TIMESTAMP", **COLUMNS[kind]}
        self.names = ", ".join(self.columns)
        self.tallies: list[_Tally] = []
        self._batch: list[tuple[int, Lines]] = []
        self._characters = self._lines = 0
        self._slow: list[tuple[object, ...]] = []
        self._slow_bytes = 0
        self._statement = sql(kind)
        connection.execute(sql("macros"))
        types = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        connection.execute(f"CREATE TEMP TABLE events ({types})")

    def read(self, item: LogObject, stream: BinaryIO) -> None:
        """Read one object to its end; call `flush` after the last one."""
        number = len(self.tallies)
        self.tallies.append(_Tally())
        plain = within_ratio(
            decompressed(stream, item.key), item.key, item.size, self.most_expansion
        )
        blocks = whole_lines(plain, item.key)
        page_views = self.kind == "page_views"
        for piece in json_pieces(blocks) if page_views else csv_pieces(blocks, item.key):
            check_stop()
            if isinstance(piece, Odd):
                self._judge(number, piece)
                continue
            self._batch.append((number, piece))
            self._characters += len(piece.text)
            self._lines += piece.text.count("\n")
            if self._characters >= _BATCH_CHARACTERS or self._lines >= _BATCH_LINES:
                self.flush()

    def flush(self) -> None:
        """Judge what is waiting."""
        if self._batch:
            self._judge_batch()
            self._batch, self._characters, self._lines = [], 0, 0
        self._store()

    def _judge_batch(self) -> None:
        # One text for each list, because DuckDB is slow to take Python's lists (see duck.rows).
        parameters = {
            "objects": str([number for number, _ in self._batch]),
            "first_lines": str([piece.first_line for _, piece in self._batch]),
            "texts": "\0".join(piece.text for _, piece in self._batch),
            "environment": self.log_environment,
        }
        execute = self.connection.execute
        execute(self._statement, parameters)
        execute(f"INSERT INTO events SELECT {self.names} FROM batch WHERE status = 'counted'")
        for number, status, lines in execute(
            "SELECT object, status, count(*) FROM batch"
            " WHERE status NOT IN ('unsure', 'header') GROUP BY ALL"
        ).fetchall():
            counts = self.tallies[number].counts
            counts.lines += lines
            setattr(counts, status, getattr(counts, status) + lines)
        unsure = execute(
            "SELECT object, line_number, line FROM batch WHERE status = 'unsure'"
        ).fetchall()
        execute("DROP TABLE batch")
        for number, line_number, line in unsure:
            self._judge(number, Odd(line_number, line.encode().removesuffix(b"\r")))

    def _judge(self, number: int, odd: Odd) -> None:
        """Give one line or record to the reference reader and book its verdict."""
        raw = odd.raw
        if not raw.strip(b" \t\r"):
            return
        tally = self.tallies[number]
        found: tuple[Any, ...]
        try:
            if self.kind == "page_views":
                found = self._page_view(raw)
            else:
                record = odd.record or read_record(raw, 0, complete=True)
                raw = record.raw
                update = read_user_update(raw, record.fields)
                if update is None:
                    return
                found = (update.environment, update.at, update.user_id, update.email, update.name)
        except Rejected as rejected:
            tally.reject(odd.line_number, rejected.reason, raw)
            return
        environment, at, user_id, *rest = found
        tally.counts.lines += 1
        if environment != self.log_environment:
            tally.counts.other_environment += 1
        elif user_id is None:
            tally.counts.anonymous += 1
        else:
            tally.counts.counted += 1
            self._slow.append((number, _EPOCH + timedelta(microseconds=at), user_id, *rest))
            self._slow_bytes += len(raw)
            if len(self._slow) >= 100_000 or self._slow_bytes >= _BATCH_CHARACTERS:
                self._store()

    @staticmethod
    def _page_view(raw: bytes) -> tuple[str, int, int | None, str]:
        view: PageView = read_page_view(raw)
        return view.environment, view.at, view.user_id, view.url

    def _store(self) -> None:
        if not self._slow:
            return
        select, parameters = rows(self.columns, self._slow)
        self._slow, self._slow_bytes = [], 0
        self.connection.execute(f"INSERT INTO events {select}", parameters)


@dataclass(frozen=True)
class Extracted:
    """What one unit gave: files in the scratch folder and an account of each object.

    `events` has the columns object (its place in `objects`), instant, user_id and url (page
    views), or email and name (user updates), distinct within an object. `rejects` has object_key,
    line_number, reason and line.
    """

    objects: list[LogObject]
    counts: list[Counts]
    events: Path
    rejects: Path | None


def extract(
    objects: Sequence[LogObject],
    open_object: OpenObject,
    log_environment: str,
    scratch: Path,
    settings: DuckSettings,
    most_expansion: int = MOST_EXPANSION,
) -> Extracted:
    """Read objects of one kind; equal objects give equal files, byte for byte.

    Args:
        objects: Log objects, all of one kind.
        open_object: Gives an object's stored bytes.
        log_environment: The environment whose records count.
        scratch: An empty folder for the files.
        settings: DuckDB's limits.
        most_expansion: How many times its stored size an object may expand to.

    Raises:
        LogsError: An object cannot be decompressed to its end, expands too much, or holds a
            record that is too long.
    """
    with duck(settings) as connection:
        reader = _Reader(connection, objects[0].kind, log_environment, most_expansion)
        for item in objects:
            with open_object(item) as stream:
                reader.read(item, stream)
        reader.flush()
        events = scratch / "events.parquet"
        connection.sql(f"SELECT DISTINCT {reader.names} FROM events ORDER BY ALL").write_parquet(
            str(events), compression="zstd"
        )
        distinct = dict(
            connection.execute(
                "SELECT object, count(*) FROM read_parquet(?) GROUP BY object", [str(events)]
            ).fetchall()
        )
        counts = []
        for number, (item, tally) in enumerate(zip(objects, reader.tallies, strict=True)):
            counts.append(tally.counts.deduplicated(distinct.get(number, 0)))
            counts[-1].check(item.key)
            tally.keep_first()
        rejected = [
            (item.key, *reject)
            for item, tally in zip(objects, reader.tallies, strict=True)
            for reject in tally.rejects
        ]
        rejects = scratch / "rejects.parquet" if rejected else None
        if rejects is not None:
            select, parameters = rows(_REJECT_COLUMNS, rejected)
            connection.sql(select, params=parameters).write_parquet(
                str(rejects), compression="zstd"
            )
    return Extracted(list(objects), counts, events, rejects)
