r"""A slow, plain model of what the log objects mean: the independent reading of the contract.

Nothing here comes from the product. Everything is held in memory and judged one record at a time.

Where the contract leaves room, the model decides:

- A line ends with LF or CRLF, and that end is not part of it: it is neither kept with a rejected
  line nor counted in its length.
- Any other CR ends no line. In JSON it is white space between tokens. In a quoted CSV field it is
  data. Several CRs at the end of a CSV record belong to its line end, as in Python's `csv`;
  anywhere else outside quotes a CR breaks the record (`malformed`).
- ASCII white space around a JSON line is ignored, \v and \f too, because DuckDB's reader of whole
  files ignores them. Between the tokens, \v and \f are `malformed`.
- A CSV record that is too long in any way (lines, characters of a field, bytes) is treated like
  one with broken quoting: it is its first physical line, and reading continues with the next.
- A key's suffix decides about compression; only without one does the `Content-Encoding` count.
- A BOM is skipped where a gzip member or zstd frame starts, if a physical line starts there too.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta

import zstandard

COLUMNS = ("updated_at", "user_id", "email", "name", "environment")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
Rows = dict[tuple[int, str], tuple[str | None, int, datetime]]
BOM = b"\xef\xbb\xbf"
WHITE = " \t\n\r\v\f"
MOST_BYTES = 16 * 2**20  # of a line or record
MOST_LINES = 100  # of a CSV record
MOST_CHARACTERS = 131_072  # of a CSV field
MOST_KEPT = 1_000  # characters of a rejected line
LOG_KEY = re.compile(r"(PageViews|UserUpdates)/(.*/)?[^/._][^/]*", re.DOTALL)
FIELD = r'("[^"]*(?:""[^"]*)*"(?!")|(?:[^",\r\n][^,\r\n]*)?)'
RECORD = re.compile(rf"({FIELD}(?:,{FIELD})*)\r*(?:\n|\Z)")
TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?"
)
SURROGATE = re.compile("[\ud800-\udfff]")
ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a pair of surrogates
)
JSON_TOKEN = re.compile(
    rf'("[^"\\\x00-\x1f]*(?:{ESCAPE}[^"\\\x00-\x1f]*)*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    r"|-?(?i:nan|inf(?:inity)?)|true|false|null|[][{},:])[ \t\n\r]*"
)


@dataclass(frozen=True)
class Counts:
    """What became of the lines of an object, or of all the objects of a kind."""

    lines: int
    counted: int
    duplicates: int
    other_environment: int
    anonymous: int
    rejected: int

    def check(self) -> None:
        """Assert that every line is accounted for."""
        assert self.lines == sum(astuple(self)[1:]), self


@dataclass(frozen=True)
class Reject:
    """A record that is not valid, with the first reason that applies."""

    object_key: str
    line_number: int
    reason: str
    line: str


@dataclass(frozen=True)
class Model:
    """The table, the counts and every rejected record."""

    rows: Rows
    page_views: Counts
    user_updates: Counts
    objects: dict[str, Counts]
    rejects: list[Reject]


@dataclass(frozen=True)
class PageView:
    """A valid page view; its ``user_id`` is None for a visitor who was not logged in."""

    ts: datetime
    url: str
    environment: str
    user_id: int | None


@dataclass(frozen=True)
class UserUpdate:
    """A valid user update."""

    updated_at: datetime
    user_id: int
    email: str
    name: str
    environment: str


Verdict = PageView | UserUpdate | str  # a valid record, or why it is none
Fields = tuple[str, ...] | None  # of a CSV record; None when it is broken or too long


def model(
    objects: Mapping[str, bytes], log_environment: str = "production", encodings: Mapping[str, str] | None = None
) -> Model:
    """Return what the objects amount to.

    Keys are relative to the logs prefix; ``encodings`` has the ``Content-Encoding`` of some.
    """
    encodings = encodings or {}
    judged = {
        key: judge_object(key, objects[key], encodings.get(key, ""))
        for key in sorted(filter(LOG_KEY.fullmatch, objects))
    }
    verdicts = {key: [verdict for _, _, verdict in judged[key]] for key in judged}
    views = [v for key in judged if key.startswith("PageViews/") for v in verdicts[key]]
    updates = [v for key in judged if key.startswith("UserUpdates/") for v in verdicts[key]]
    return Model(
        rows=table(views, updates, log_environment),
        page_views=tally(views, log_environment),
        user_updates=tally(updates, log_environment),
        objects={key: tally(verdicts[key], log_environment) for key in judged},
        rejects=[
            Reject(key, n, verdict, start_of(raw))
            for key in judged
            for n, raw, verdict in judged[key]
            if isinstance(verdict, str)
        ],
    )


def table(views: list[Verdict], updates: list[Verdict], log_environment: str) -> Rows:
    """Return the rows that the valid records of one environment make."""
    latest: dict[int, tuple[datetime, str, str]] = {}
    for u in updates:
        if isinstance(u, UserUpdate) and u.environment == log_environment:
            candidate = (u.updated_at, u.email, u.name)
            latest[u.user_id] = max(candidate, latest.get(u.user_id, candidate))
    emails = {user_id: email or None for user_id, (_, email, _) in latest.items()}
    instants: dict[tuple[int, str], set[datetime]] = {}
    for v in views:
        if isinstance(v, PageView) and v.environment == log_environment and v.user_id is not None:
            instants.setdefault((v.user_id, v.url), set()).add(v.ts)
    return {key: (emails.get(key[0]), len(seen), max(seen)) for key, seen in instants.items()}


def tally(verdicts: list[Verdict], log_environment: str) -> Counts:
    """Count what became of records; a duplicate is one that equals an earlier one of these."""
    found: Counter[str] = Counter()
    seen: set[Verdict] = set()
    for verdict in verdicts:
        found["lines"] += 1
        if isinstance(verdict, str):
            found["rejected"] += 1
        elif verdict.environment != log_environment:
            found["other_environment"] += 1
        elif verdict.user_id is None:
            found["anonymous"] += 1
        else:
            found["duplicates" if verdict in seen else "counted"] += 1
            seen.add(verdict)
    counts = Counts(*(found[field.name] for field in fields(Counts)))
    counts.check()
    return counts


def start_of(line: bytes) -> str:
    """Return the start of a rejected line as PostgreSQL can store it."""
    return line.decode("utf-8", "replace").replace("\x00", "\ufffd")[:MOST_KEPT]


def decompress(key: str, body: bytes, encoding: str = "") -> bytes:
    """Return the object's text without BOMs; ValueError with the key if it has no proper end."""
    gzip = key.endswith(".gz") or (encoding == "gzip" and not key.endswith(".zst"))
    if not gzip and not key.endswith(".zst") and encoding != "zstd":
        return body.removeprefix(BOM)
    text, zstd = b"", zstandard.ZstdDecompressor(max_window_size=2**31)
    try:
        while body:  # one gzip member or zstd frame after the other
            part = zlib.decompressobj(wbits=31) if gzip else zstd.decompressobj()
            more = part.decompress(body)
            text += more.removeprefix(BOM) if text[-1:] in (b"", b"\n") else more
            body = part.unused_data.lstrip(b"\x00") if gzip else part.unused_data
            if not part.eof:
                raise ValueError("it ends too early")
    except (ValueError, zlib.error, zstandard.ZstdError) as error:
        raise ValueError(f"{key} cannot be decompressed to its end: {error}") from error
    return text


def judge_object(key: str, body: bytes, encoding: str = "") -> list[tuple[int, bytes, Verdict]]:
    """Return line number, raw bytes and verdict of each record of an object as it is stored."""
    # What is not UTF-8 becomes lone surrogates, one for each byte.
    text = decompress(key, body, encoding).decode("utf-8", "surrogateescape")
    judged: list[tuple[int, str, Verdict]]
    if key.startswith("PageViews/"):
        judged = [(n, line, judge_page_view(line)) for n, line in page_view_lines(text)]
    else:
        rows = split_csv(text)
        judged = [(n, raw, judge_user_update(raw, row)) for n, raw, row in rows if row != COLUMNS]
    return [(n, raw.encode("utf-8", "surrogateescape"), verdict) for n, raw, verdict in judged]


def page_view_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that are not blank, without their ends, and their numbers."""
    *ended, last = text.split("\n")
    lines = [line.removesuffix("\r") for line in ended] + [last]
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip(WHITE)]


def split_csv(text: str) -> list[tuple[int, str, Fields]]:
    """Return the CSV records of a text: line number, the text without its line end, fields."""
    records, at, line_number = list[tuple[int, str, Fields]](), 0, 1
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        if text[at:end].strip(WHITE):
            fields = None
            match = RECORD.match(text, at)
            if match and (fields := csv_fields(match[1])):
                end = match.end()
            raw = text[at:end].removesuffix("\n")
            raw = raw.removesuffix("\r") if text[end - 1] == "\n" else raw
            records.append((line_number, raw, fields))
        line_number += text.count("\n", at, end)
        at = end
    return records


def csv_fields(record: str) -> Fields:
    """Return the fields of a record whose quoting is right, or None if it is too long."""
    cells = re.findall(rf"(?:\A|,){FIELD}", record)
    cells = [c[1:-1].replace('""', '"') if c.startswith('"') else c for c in cells]
    too_long = record.count("\n") >= MOST_LINES or max(map(len, cells)) > MOST_CHARACTERS
    return None if too_long or size(record) > MOST_BYTES else tuple(cells)


def size(text: str) -> int:
    """Return how many bytes the text has in the object."""
    return len(text.encode("utf-8", "surrogateescape"))


def judge_user_update(raw: str, fields: Fields) -> UserUpdate | str:
    """Return the valid record, or the first reason why it is not."""
    if SURROGATE.search(raw):
        return "not_utf8"
    if fields is None or len(fields) != len(COLUMNS):
        return "malformed"
    updated_at, user_id, email, name, environment = fields
    if (instant := parse_instant(updated_at)) is None:
        return "bad_timestamp"
    if (number := parse_integer(user_id)) is None:
        return "bad_user_id"
    if "\x00" in email + name + environment:
        return "bad_text"
    return UserUpdate(instant, number, email, name, environment)


def judge_page_view(line: str) -> PageView | str:
    """Return the valid record of a physical line, or the first reason why it is not."""
    if SURROGATE.search(line):
        return "not_utf8"
    if size(line) > MOST_BYTES or (found := parse_object(line)) is None:
        return "malformed"
    tokens = [found.get(name, "null") for name in ("ts", "url", "environment", "user_id")]
    texts = [json.loads(token) if token.startswith('"') else None for token in tokens]
    ts, url, environment, user_id = texts
    if "null" in tokens[:3]:
        return "missing_field"
    if ts is None or (instant := parse_instant(ts)) is None:
        return "bad_timestamp"
    number = parse_integer(tokens[3] if user_id is None else user_id)
    if number is None and tokens[3] not in ("null", '""'):
        return "bad_user_id"
    if url is None or not 1 <= len(url.encode("utf-8")) <= 2048:
        return "bad_url"
    if environment is None or "\x00" in url + environment:
        return "bad_text"
    return PageView(instant, url, environment, number)


def parse_instant(text: str) -> datetime | None:
    """Return the instant in UTC that a timestamp names, or None when it is none."""
    if (match := TIMESTAMP.fullmatch(text)) is None:
        return None
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    try:
        local = datetime(year, month, day, hour, minute, second, microsecond, UTC)
        instant = local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):  # no such day or time; not within the years 1 to 9999
        return None
    return instant if instant >= EARLIEST else None


def parse_integer(text: str) -> int | None:
    """Return the 64-bit integer that a JSON integer or a string of digits gives, or None."""
    match = re.fullmatch(r"(-?)0*([0-9]{1,19})", text)
    number = int(match[1] + match[2]) if match else 2**63
    return number if -(2**63) <= number < 2**63 else None


def parse_object(text: str) -> dict[str, str] | None:
    """Return the first token of each member of the JSON object that the text is, or None.

    This is JSON as DuckDB reads it: RFC 8259; NaN, Inf and Infinity in any case, with a minus or
    without; a comma before what closes an object or array. Of two equal names the first counts.
    """
    members: dict[str, str] = {}
    closers: list[str] = []  # what closes each object and array that is open
    text = text.strip(WHITE)
    name, expected, at = "", "object", 0
    while at < len(text):
        match = JSON_TOKEN.match(text, at)
        token, at = (match[1], match.end()) if match else ("", at)
        if expected == "object" and token == "{":
            closers, expected = ["}"], "name or end"
        elif expected in ("value", "value or end") and token not in ("", "]", "}", ",", ":"):
            if len(closers) == 1:
                members.setdefault(name, token)
            expected = {"{": "name or end", "[": "value or end"}.get(token, "comma or end")
            closers += {"{": ["}"], "[": ["]"]}.get(token, [])
        elif expected == "name or end" and token.startswith('"'):
            name, expected = json.loads(token) if len(closers) == 1 else name, "colon"
        elif expected == "colon" and token == ":":
            expected = "value"
        elif expected == "comma or end" and token == "," and closers:
            expected = "name or end" if closers[-1] == "}" else "value or end"
        elif expected.endswith("or end") and closers and token == closers[-1]:
            closers.pop()
            expected = "comma or end"
        else:
            return None
    return None if closers or expected == "object" else members
