"""Content meant to hurt: each object is judged, or refused, in bounded memory and linear time."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from blocks.environment import Environment
from blocks.settings import EnvironmentSettings
from flows.errors import LogsError
from flows.logs import pieces, streams
from flows.logs.csv_records import CsvRecord, read_record, stays_open
from flows.logs.streams import EXPANSION_FLOOR, MOST_EXPANSION, whole_lines, within_ratio
from tests.support.cases import swap, update, view
from tests.support.measured import Measured, measured
from tests.support.readers import differences

MIB = 2**20
MB50 = 50 * 10**6
GOOD, UPDATE = view(), update()


def unknown(value: bytes) -> bytes:
    """A page view with an unknown field."""
    return GOOD[:-1] + b', "x": ' + value + b"}"


def named(name: bytes) -> bytes:
    """A user update with this name, as written."""
    return swap(UPDATE, b'"Cheri Honey"', name)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Measured]:
    """Extract an object of these bytes in a process of its own."""

    def read(key: str, *parts: bytes) -> Measured:
        with (tmp_path / "object").open("wb") as file:
            file.writelines(parts)
        kind = "page_views" if key.startswith("PageViews/") else "user_updates"
        return measured(kind, key, tmp_path / "object")

    return read


# An object of one line of 50 MB, and its verdict; the good line behind it is counted.
EMOJI = b"\xf0\x9f\x98\x80"
LONG_LINES: dict[str, tuple[Callable[[], bytes], str]] = {
    "an unknown text": (lambda: unknown(b'"' + b"a" * MB50 + b'"'), ""),
    "an unknown text of emoji": (lambda: unknown(b'"' + EMOJI * (MB50 // 4) + b'"'), ""),
    "an unknown text of escapes": (lambda: unknown(b'"' + rb"\u0041" * (MB50 // 6) + b'"'), ""),
    "an unknown number": (lambda: unknown(b"9" * MB50), ""),
    "a url": (lambda: swap(GOOD, b"916", b"a" * MB50), "bad_url"),
    "a fraction": (lambda: swap(GOOD, b":09:09", b":09:09.000000" + b"1" * MB50), ""),
    "a user_id": (lambda: swap(GOOD, b"2083", b"1" * MB50), "bad_user_id"),
    "white space, then a page view": (lambda: b" " * MB50 + GOOD, ""),
    "the byte ff": (lambda: b"\xff" * MB50, "not_utf8"),
    "NULs": (lambda: b"\0" * MB50, "malformed"),
    "a string that does not end": (lambda: b'{"ts": "' + b"a" * MB50, "malformed"),
}


@pytest.mark.parametrize("name", LONG_LINES)
def test_a_line_of_50_mb_is_judged_in_bounded_memory(
    name: str, read: Callable[..., Measured]
) -> None:
    make, reason = LONG_LINES[name]
    line = make()
    found = read("PageViews/x", line, b"\n", GOOD, b"\n")
    assert found.error == ""
    assert found.counts["lines"] == 2
    assert found.counts["counted"] == 1
    assert found.counts["duplicates"] == (0 if reason else 1)
    text = line[:4_000].decode(errors="replace").replace("\0", "\ufffd")[:1_000]
    assert found.rejects == ([[1, reason, text]] if reason else [])
    assert found.peak < 350, found.peak


CSV_100 = 100 * 10**6


@pytest.mark.parametrize(
    ("field", "malformed", "most"),
    [
        pytest.param(b'"' + b"a" * CSV_100, 1, 500, id="a field that never closes"),
        pytest.param(
            b'"' + b"a" * CSV_100 + b'"', 0, 1_300, id="a field that closes", marks=pytest.mark.long
        ),
        pytest.param(
            b'"' + b'""' * (CSV_100 // 2) + b'"',
            0,
            1_000,
            id="doubled quotes",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_csv_field_of_100_mb_is_judged_in_bounded_memory(
    field: bytes, malformed: int, most: int, read: Callable[..., Measured]
) -> None:
    found = read("UserUpdates/x", UPDATE, b"\n", named(field), b"\n")
    assert found.counts["lines"] == 2
    assert found.counts["counted"] == 2 - malformed
    assert [row[:2] for row in found.rejects] == [[2, "malformed"]] * malformed
    assert found.peak < most, found.peak


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("key", "unit", "number", "reason"),
    [
        pytest.param("PageViews/x", b"\n", 50 * MIB, None, id="blank lines"),
        pytest.param("PageViews/x", b"7\n", 2_000_000, "malformed", id="lines of one digit"),
        pytest.param("UserUpdates/x", b",\n", 2_000_000, "malformed", id="lines of one comma"),
        pytest.param("UserUpdates/x", b'a"b\n', 10**6, "malformed", id="stray quotes"),
        pytest.param("UserUpdates/x", b'"ab\n', 10**6, "malformed", id="open quotes"),
        pytest.param("UserUpdates/x", b"\xff\n", 10**6, "not_utf8", id="bytes ff"),
        pytest.param("UserUpdates/x", named(b'"a\nb"') + b"\n", 10**6, "", id="two lines each"),
    ],
)
def test_a_million_short_lines_are_judged_in_bounded_memory(
    key: str, unit: bytes, number: int, reason: str | None, read: Callable[..., Measured]
) -> None:
    found = read(key, unit * number)
    lines = 0 if reason is None else number
    assert found.counts["lines"] == lines
    assert found.counts["reasons"] == ({reason: number} if reason else {})
    assert found.counts["duplicates"] == (number - 1 if reason == "" else 0)
    assert found.peak < 450, found.peak


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"[" * (MB50 // 2) + b"]" * (MB50 // 2), id="lists in lists"),
        pytest.param(b"[" + b"1," * (MB50 // 8) + b"1]", id="a list of numbers"),
        pytest.param(b'1, "":1' * 1 + b', "":1' * (MB50 // 12), id="members without a name"),
    ],
)
def test_a_long_line_of_many_values_is_judged_in_bounded_memory(
    value: bytes, read: Callable[..., Measured]
) -> None:
    found = read("PageViews/x", unknown(value))
    assert found.counts["counted"] == 1
    assert found.peak < 350, found.peak


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, 9, mtime=0),
    ".zst": zstandard.compress,
}


@pytest.mark.parametrize(
    ("suffix", "unit"),
    [
        pytest.param(".gz", b"\0", id="NULs-gz"),
        pytest.param(".zst", b"\0", id="NULs-zst"),
        pytest.param(".gz", b"\n", id="blank-gz"),
        pytest.param(".zst", GOOD + b"\n", id="records-zst"),
    ],
)
def test_a_bomb_fails_with_the_remedy_in_bounded_memory(
    suffix: str, unit: bytes, read: Callable[..., Measured]
) -> None:
    # Members and frames may follow each other, so one is made and repeated.
    size = 16 * MIB // len(unit) * len(unit)
    body = BOMBS[suffix](unit * (size // len(unit)))
    key = f"PageViews/bomb{suffix}"
    if size // len(body) <= MOST_EXPANSION:
        pytest.fail(f"it expands by {size // len(body)} only: no bomb")
    found = read(key, *[body] * 8)
    for word in (f"{key!r}", f"{MOST_EXPANSION} times", f"{8 * len(body):,} bytes"):
        assert word in found.error
    assert "raise MAX_EXPANSION_RATIO" in found.error
    assert found.peak < 350, found.peak


def test_the_ratio_counts_from_the_floor_on_and_for_the_whole_object() -> None:
    def blocks(size: int) -> Iterator[bytes]:
        yield from [b"x" * MIB] * (size // MIB)
        yield b"x" * (size % MIB)

    def passes(size: int, stored: int, most: int) -> bool:
        try:
            return sum(map(len, within_ratio(blocks(size), "k", stored, most))) == size
        except LogsError:
            return False

    assert passes(EXPANSION_FLOOR, 1, 1)
    assert not passes(EXPANSION_FLOOR + 1, 1, 1)
    assert passes(100 * MIB, MIB, 100)
    assert not passes(100 * MIB + 1, MIB, 100)
    assert passes(100 * MIB + 1, MIB, 101)


def test_the_default_ratio_is_the_same_everywhere() -> None:
    default = Environment.model_fields["max_expansion_ratio"].default
    assert default == EnvironmentSettings.model_fields["max_expansion_ratio"].default
    assert default == MOST_EXPANSION


@pytest.mark.timeout(60)  # with the parts of the line joined anew for each block it takes hours
def test_a_line_of_a_million_blocks_is_joined_once() -> None:
    blocks = iter([b"x" * 100] * 10**6)
    [(line, last)] = whole_lines(blocks, "k")
    assert (len(line), last) == (10**8, True)


@pytest.mark.parametrize("ending", [b"", b'"', b'",7', b'"x', b'\n"', b'\n"x'])
@pytest.mark.parametrize("repeated", [b"a,b\n", b'""\n', b'a""b\n', b"\n", b'","\n', b'"a"\n'])
def test_no_byte_of_an_open_record_is_walked_more_than_a_few_times(
    repeated: bytes, ending: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked = 0

    def reading(data: bytes, at: int, *, complete: bool) -> CsvRecord:
        nonlocal walked
        walked += len(data) - at if data[at:].count(b'"') else 0
        return read_record(data, at, complete=complete)

    def staying(data: bytes) -> bool:
        nonlocal walked
        walked += len(data)
        return stays_open(data)

    monkeypatch.setattr(streams, "BLOCK_BYTES", 2**10)
    monkeypatch.setattr(pieces, "read_record", reading)
    monkeypatch.setattr(pieces, "stays_open", staying)
    body = UPDATE + b'\n2017-04-01T00:00:42,7,"' + repeated * 20_000 + ending + b"\n" + UPDATE
    assert differences("user_updates", {"UserUpdates/x": body}) == {}
    assert walked <= 4 * len(body), walked / len(body)


@pytest.mark.parametrize("size", [256 * 2**10 + extra for extra in (-200, -80, -1, 0, 1)])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
def test_lines_around_the_longest_that_sql_is_given_are_read_alike(size: int, end: bytes) -> None:
    for good, kind, key in (
        (unknown(b'"#"'), "page_views", "PageViews/x"),
        (named(b'"#"'), "user_updates", "UserUpdates/x"),
        (unknown(b'"#\xff"'), "page_views", "PageViews/x"),
        (named(b'"#\0"'), "user_updates", "UserUpdates/x"),
    ):
        line = good.replace(b"#", b"a" * (size - len(good) + 1))
        other = GOOD if kind == "page_views" else UPDATE
        for body in (line + end, other + b"\n" + line + end, line + end + other + end + line):
            assert differences(kind, {key: body}) == {}


@pytest.mark.parametrize("room", [1, 2, 3, 1_000])
@pytest.mark.parametrize("count", [0, 1, 2, 499, 500, 501])
def test_records_of_many_lines_are_found_however_many_are_looked_for_at_a_time(
    room: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_AT_ONCE", room)
    many = b"".join(named(b'"a%d\nb"' % n) + b"\n" + UPDATE + b"\n" for n in range(count))
    for body in (many, many + UPDATE, many + named(b'"'), named(b'"a\nb"') + b"\n" + many[:-1]):
        assert differences("user_updates", {"UserUpdates/x": body}) == {}


def test_ten_thousand_columns_are_read_as_the_model_reads_them() -> None:
    many = b", ".join(b'"c%d": %d' % (n, n) for n in range(10_000))
    views = [GOOD[:-1] + b", " + many + b"}", b"{" + many + b", " + GOOD[1:], b"{" + many + b"}"]
    updates = [b",".join([b"x"] * 10_000), UPDATE + b',"x"' * 9_995, b"," * 9_999, b'"",' * 9_999]
    assert differences("page_views", {"PageViews/x": b"\n".join(views)}) == {}
    assert differences("user_updates", {"UserUpdates/x": b"\n".join(updates)}) == {}
