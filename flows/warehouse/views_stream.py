"""Rows of user_page_views as PostgreSQL's COPY reads them in its binary form.

The form is that of PostgreSQL's documentation of COPY: PostgreSQL parses no text, which takes it
0.6 times as long as CSV (docs/performance.md).
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from flows.machine_code.functions import Items, compiled, inlined
from flows.machine_code.primitives import pointer
from flows.warehouse.stream import LIMITS, made_ahead

Rows = dict[str, NDArray[Any]]
"""Rows of user_page_views: user_id (ascending), url (a number), count, last_viewed (µs)."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH = 946_684_800_000_000  # microseconds from 1970 to 2000, where PostgreSQL's time begins
_CHUNK_ROWS = 2**19
_USERS_AT_ONCE, _EMAIL_BYTES = 20_000, 16 * 2**20
_URL_BYTES = 16 * 2**20
_BLOCK_BYTES = 4 * 2**20
_FIXED_BYTES = 2 + 5 * 4 + 3 * 8


@dataclass(frozen=True)
class ViewFiles:
    """Rows of user_page_views in Parquet files, texts apart from numbers.

    Attributes:
        rows: user_id, url (a number), count and last_viewed, sorted by user_id.
        urls: number and url, by number, from 1.
        latest: user_id and email of all users that have any (empty: none).
    """

    rows: Path
    urls: Path
    latest: Path


class _Texts(NamedTuple):
    """Texts behind each other: number n is `content[starts[n] : starts[n + 1]]`."""

    content: NDArray[np.uint8]
    starts: NDArray[np.int64]


_NOTHING = np.empty(0, np.int64), _Texts(np.empty(0, np.uint8), np.zeros(1, np.int64))


def views_stream(files: ViewFiles) -> AbstractContextManager[RawIOBase]:
    """A stream of user_id, email, url, count and last_viewed; whole when it has ended well."""
    return made_ahead(encoded(_chunks(files.rows), files.urls, files.latest))


def encoded(chunks: Iterable[Rows], urls: Path, latest: Path) -> Iterator[bytes]:
    """The rows in COPY's binary form, in blocks.

    Args:
        chunks: The rows.
        urls, latest: As in `ViewFiles`.
    """
    yield _HEADER
    with (
        duckdb.connect(":memory:", config=LIMITS) as connection,
        TemporaryFile(dir=urls.parent) as kept,
    ):
        texts = _url_texts(connection, urls, kept)
        emails = _Emails(connection, latest)
        for rows in chunks:
            yield from _encoded(emails, rows, texts)
    yield _TRAILER


def _chunks(path: Path) -> Iterator[Rows]:
    with duckdb.connect(":memory:", config=LIMITS) as connection:
        total = connection.execute(
            "SELECT count(*) FROM read_parquet($rows)", {"rows": str(path)}
        ).fetchone()
        assert total is not None
        for first in range(0, total[0], _CHUNK_ROWS):
            yield connection.execute(
                "SELECT user_id, url, count, epoch_us(last_viewed) AS last_viewed"
                " FROM read_parquet($rows, file_row_number = true)"
                " WHERE file_row_number >= $first AND file_row_number < $last",
                {"rows": str(path), "first": first, "last": first + _CHUNK_ROWS},
            ).fetchnumpy()


class _Emails:
    """The emails of users, looked up for many users at a time.

    Args:
        connection: Reads them.
        latest: As in `ViewFiles`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, latest: Path) -> None:
        self._connection, self._latest = connection, latest
        self._first, self._last = 0, -1
        # Each look takes as long, for one user or for many: so as many as memory is sure to hold.
        rows, size = connection.execute(
            "SELECT sum(row_group_num_rows), sum(total_uncompressed_size)"
            " FROM parquet_metadata($path) WHERE path_in_schema = 'email'",
            {"path": str(latest)},
        ).fetchall()[0]
        self._at_once = min(_USERS_AT_ONCE, _EMAIL_BYTES * (rows or 0) // (size or 1) + 1)
        self._found = _NOTHING

    def between(self, first: int, last: int) -> tuple[NDArray[np.int64], _Texts]:
        """The users that have an email, of these and perhaps of others, and the emails."""
        if first < self._first or last > self._last:
            self._look_up(first, last)
        return self._found

    def _look_up(self, first: int, last: int) -> None:
        self._found = _NOTHING
        where = {"path": str(self._latest), "first": first}
        row = self._connection.execute(
            "SELECT max(user_id) FROM (SELECT user_id FROM read_parquet($path)"
            f" WHERE user_id >= $first ORDER BY user_id LIMIT {self._at_once})",
            where,
        ).fetchone()
        far = last if row is None or row[0] is None else max(last, row[0])
        self._found = _texts(
            self._connection,
            "SELECT user_id AS place, email AS text FROM read_parquet($path)"
            " WHERE email <> '' AND user_id BETWEEN $first AND $last",
            {**where, "last": far},
        )
        self._first, self._last = first, far


def _encoded(emails_of: _Emails, rows: Rows, urls: _Texts) -> Iterator[bytes]:
    users = rows["user_id"]
    having, emails = emails_of.between(int(users[0]), int(users[-1]))
    # The place of each row's email; -1 where the user has none.
    places = np.searchsorted(having, users)
    found = places < having.size
    found[found] = having[places[found]] == users[found]
    places[~found] = -1
    numbers = rows["url"].astype(np.int64, copy=False) - 1
    sizes = np.diff(urls.starts)[numbers] + _FIXED_BYTES
    sizes[found] += np.diff(emails.starts)[places[found]]
    ends = np.cumsum(sizes)
    start, written = 0, 0
    while start < users.size:
        end = max(start + 1, int(np.searchsorted(ends, written + _BLOCK_BYTES, "right")))
        some = slice(start, end)
        block = np.empty(int(ends[end - 1]) - written, np.uint8)
        size = _encode(
            users[some],
            places[some],
            numbers[some],
            rows["count"][some],
            rows["last_viewed"][some],
            *emails,
            *urls,
            block,
        )
        yield block[:size].tobytes()
        start, written = end, int(ends[end - 1])


def _url_texts(connection: duckdb.DuckDBPyConnection, urls: Path, kept: IO[bytes]) -> _Texts:
    """All URLs by number, in a file that is mapped into memory: they may be more than fit."""
    found = connection.execute(
        "SELECT number, strlen(url) AS bytes FROM read_parquet($path)", {"path": str(urls)}
    ).fetchnumpy()
    starts = np.zeros(found["number"].size + 1, np.int64)
    starts[found["number"]] = found["bytes"]
    np.cumsum(starts, out=starts)
    first = 0
    while first < starts.size - 1:
        last = int(np.searchsorted(starts, starts[first] + _URL_BYTES, "right")) - 1
        last = max(last, first + 1)
        row = connection.execute(
            "SELECT string_agg(url, '' ORDER BY number) FROM read_parquet($path)"
            " WHERE number > $first AND number <= $last",
            {"path": str(urls), "first": first, "last": last},
        ).fetchone()
        assert row is not None
        kept.write(row[0].encode())
        first = last
    kept.flush()
    content = np.memmap(kept, np.uint8, "r") if starts[-1] else np.empty(0, np.uint8)
    return _Texts(np.asarray(content), starts)


def _texts(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]
) -> tuple[NDArray[np.int64], _Texts]:
    """What a query gives: its column `place`, ascending, and the texts of its column `text`."""
    found = connection.sql(query, params=parameters)
    sizes = found.project("place, strlen(text) AS bytes").order("place").fetchnumpy()
    row = found.aggregate("string_agg(text, '' ORDER BY place)").fetchone()
    content = (row[0] or "") if row else ""
    starts = np.zeros(sizes["bytes"].size + 1, np.int64)
    np.cumsum(sizes["bytes"].astype(np.int64), out=starts[1:])
    texts = _Texts(np.frombuffer(content.encode(), np.uint8), starts)
    return sizes["place"].astype(np.int64), texts


@inlined
def _put(out: Items, at: int, value: int, size: int) -> int:
    """Write an integer, its highest byte first; give the place behind it."""
    for byte in range(size):
        out[at + byte] = (value >> (8 * (size - 1 - byte))) & 255
    return at + size


@inlined
def _put_text(out: Items, at: int, content: Items, start: int, end: int) -> int:
    at = _put(out, at, end - start, 4)
    for offset in range(end - start):
        out[at + offset] = content[start + offset]
    return at + end - start


@compiled
def _encode(
    users: NDArray[np.int64],
    emails: NDArray[np.int64],
    urls: NDArray[np.int64],
    counts: NDArray[np.int64],
    lasts: NDArray[np.int64],
    email_bytes: NDArray[np.uint8],
    email_starts: NDArray[np.int64],
    url_bytes: NDArray[np.uint8],
    url_starts: NDArray[np.int64],
    block: NDArray[np.uint8],
) -> int:
    """Write rows into a block that has room for them; give how many bytes they take."""
    out, email_text, url_text = pointer(block), pointer(email_bytes), pointer(url_bytes)
    at = 0
    for row in range(users.size):
        at = _put(out, at, 5, 2)
        at = _put(out, at, 8, 4)
        at = _put(out, at, users[row], 8)
        email = emails[row]
        if email < 0:
            at = _put(out, at, -1, 4)
        else:
            at = _put_text(out, at, email_text, email_starts[email], email_starts[email + 1])
        url = urls[row]
        at = _put_text(out, at, url_text, url_starts[url], url_starts[url + 1])
        at = _put(out, at, 8, 4)
        at = _put(out, at, counts[row], 8)
        at = _put(out, at, 8, 4)
        at = _put(out, at, lasts[row] - _EPOCH, 8)
    return at
