"""A slow, plain model of what the log objects mean: the independent reading of the contract.

Nothing here comes from the product; all is held in memory and done one record after the other.
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

COLUMNS = (b"updated_at", b"user_id", b"email", b"name", b"environment")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
Rows = dict[tuple[int, str], tuple[str | None, int, datetime]]
BOM = b"\xef\xbb\xbf"
LOG_KEY = re.compile(r"(PageViews|UserUpdates)/(.*/)?[^/._][^/]*", re.DOTALL)
BLANK = rb"[ \t\r]*(?:\n|\Z)"  # a line that is none
FIELD = rb'("[^"]*(?:""[^"]*)*"(?!")|(?:[^",\r\n]|\r(?!\n))*)'
CSV = re.compile(
    rb"%b|(?P<record>%b(?:,%b)*)(?:\r?\n|\Z)|(?P<misquoted>(?:[^\r\n]|\r(?!\n))*)(?:\r?\n|\Z)"
    % (BLANK, FIELD, FIELD)
)
TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?"
)
SURROGATE = re.compile("[\ud800-\udfff]")
JSON_TOKEN = re.compile(
    r'("[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    r"|true|false|null|[][{},:])[ \t\n\r]*"
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
Fields = tuple[bytes, ...] | None  # of a CSV record; None when the quoting is wrong


def model(objects: Mapping[str, bytes], log_environment: str = "production") -> Model:
    """Return what the objects (by key, relative to the logs prefix) amount to."""
    judged = {
        k: judge_object(k, decompress(k, objects[k]))
        for k in sorted(filter(LOG_KEY.fullmatch, objects))
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
            Reject(key, n, verdict, raw.decode("utf-8", "replace").replace("\0", "\ufffd")[:1000])
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


def decompress(key: str, body: bytes) -> bytes:
    """Return the object's text, whole; ValueError with the key when it has no proper end."""
    if not key.endswith((".gz", ".zst")):
        return body
    text, gzip = b"", key.endswith(".gz")
    zstd = zstandard.ZstdDecompressor(max_window_size=2**31)
    try:
        while body:  # one gzip member or zstd frame after the other
            part = zlib.decompressobj(wbits=31) if gzip else zstd.decompressobj()
            text += part.decompress(body)
            body = part.unused_data.lstrip(b"\x00") if gzip else part.unused_data
            if not part.eof:
                raise ValueError("it ends too early")
    except (ValueError, zlib.error, zstandard.ZstdError) as error:
        raise ValueError(f"{key} cannot be decompressed to its end: {error}") from error
    return text


def judge_object(key: str, data: bytes) -> list[tuple[int, bytes, Verdict]]:
    """Return line number, raw text and verdict of each record of a decompressed object."""
    if key.startswith("PageViews/"):
        return [(number, line, judge_page_view(line)) for number, line in page_view_lines(data)]
    rows = split_csv(data.removeprefix(BOM))
    return [(n, raw, judge_user_update(raw, row)) for n, raw, row in rows if row != COLUMNS]


def page_view_lines(data: bytes) -> list[tuple[int, bytes]]:
    """Return the lines of a decompressed object that are not blank, with their numbers."""
    *ended, last = data.removeprefix(BOM).split(b"\n")
    lines = [line.removesuffix(b"\r") for line in ended] + [last]
    return [(number, line) for number, line in enumerate(lines, 1) if not re.fullmatch(BLANK, line)]


def split_csv(data: bytes) -> list[tuple[int, bytes, Fields]]:
    """Return the CSV records of a text: line number, raw text, fields."""
    records, line_number = list[tuple[int, bytes, Fields]](), 1
    for item in CSV.finditer(data):
        if item["record"]:
            cells = re.findall(rb"(?:\A|,)" + FIELD, item["record"])
            cells = [c[1:-1].replace(b'""', b'"') if c.startswith(b'"') else c for c in cells]
            records.append((line_number, item["record"], tuple(cells)))
        elif item["misquoted"]:
            records.append((line_number, item["misquoted"], None))
        line_number += item[0].count(b"\n")
    return records


def judge_user_update(raw: bytes, fields: Fields) -> UserUpdate | str:
    """Return the valid record, or the first reason why it is not."""
    if SURROGATE.search(raw.decode("utf-8", "surrogateescape")):
        return "not_utf8"
    if fields is None or len(fields) != len(COLUMNS):
        return "malformed"
    updated_at, user_id, email, name, environment = (field.decode("utf-8") for field in fields)
    if (instant := parse_instant(updated_at)) is None:
        return "bad_timestamp"
    if (number := parse_integer(user_id)) is None:
        return "bad_user_id"
    if "\x00" in email + name + environment:
        return "bad_text"
    return UserUpdate(instant, number, email, name, environment)


def judge_page_view(line: bytes) -> PageView | str:
    """Return the valid record of a physical line, or the first reason why it is not."""
    text = line.decode("utf-8", "surrogateescape")  # what is not UTF-8 becomes lone surrogates
    if SURROGATE.search(text):
        return "not_utf8"
    if (found := parse_object(text)) is None:
        return "malformed"
    tokens = [found.get(name, "null") for name in ("ts", "url", "environment", "user_id")]
    texts = [json.loads(token) if token.startswith('"') else None for token in tokens]
    ts, url, environment, user_id = texts
    if any(SURROGATE.search(value or "") for value in texts):
        return "not_utf8"
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
    """Return the first token of each member of the JSON object that the text is, or None."""
    members: dict[str, str] = {}
    closers: list[str] = []  # what closes each object and array that is open
    name, expected, at = "", "object", len(text) - len(text.lstrip(" \t\n\r"))
    while at < len(text):
        match = JSON_TOKEN.match(text, at)
        token, at = (match[1], match.end()) if match else ("", at)
        if expected == "object" and token == "{":
            closers, expected = ["}"], "name or end"
        elif expected in ("value", "value or end") and token not in ("", "]", "}", ",", ":"):
            if len(closers) == 1:
                members[name] = token
            expected = {"{": "name or end", "[": "value or end"}.get(token, "comma or end")
            closers += {"{": ["}"], "[": ["]"]}.get(token, [])
        elif expected in ("name", "name or end") and token.startswith('"'):
            name, expected = json.loads(token) if len(closers) == 1 else name, "colon"
        elif expected == "colon" and token == ":":
            expected = "value"
        elif expected == "comma or end" and token == "," and closers:
            expected = "name" if closers[-1] == "}" else "value"
        elif expected.endswith("or end") and closers and token == closers[-1]:
            closers.pop()
            expected = "comma or end"
        else:
            return None
    return None if closers or expected == "object" else members
