"""Content meant to hurt: each object is judged, or refused, in bounded memory and linear time."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import zstandard

from blocks.environment import Environment
from blocks.settings import EnvironmentSettings
from flows.errors import LogsError
from flows.logs.decompress import EXPANSION_FLOOR, within_ratio
from tests.support.cases import swap, update, view
from tests.support.measured import measured
from tests.support.readers import differences

MIB = 2**20
MAX = 16 * MIB
GOOD, UPDATE = view(), update()


def unknown(value: bytes) -> bytes:
    """A page view with an unknown field."""
    return GOOD[:-1] + b', "x": ' + value + b"}"


def named(name: bytes) -> bytes:
    """A user update with this name, as written."""
    return swap(UPDATE, b'"Cheri Honey"', name)


def long(make: Callable[[bytes], bytes], unit: bytes, size: int = MAX) -> Callable[[], bytes]:
    """Makes a line of at most `size` bytes around many times the unit."""
    return lambda: make(unit * ((size - len(make(b""))) // len(unit)))


# Lines, and the reason to reject each; the good line after it is counted.
LONG_LINES: dict[str, tuple[Callable[[], bytes], str]] = {
    "text": (long(lambda x: unknown(b'"' + x + b'"'), b"a"), ""),
    "emoji": (long(lambda x: unknown(b'"' + x + b'"'), b"\xf0\x9f\x98\x80"), ""),
    "escapes": (long(lambda x: unknown(b'"' + x + b'"'), rb"\u0041"), ""),
    "number": (long(unknown, b"9"), ""),
    "url": (long(partial(swap, GOOD, b"916"), b"a"), "bad_url"),
    "fraction": (long(lambda x: swap(GOOD, b":09:09", b":09:09.000000" + x), b"1"), ""),
    "user_id": (long(partial(swap, GOOD, b"2083"), b"1"), "bad_user_id"),
    "white space": (long(lambda x: x + GOOD, b" "), ""),
    "bytes ff": (lambda: b"\xff" * MAX, "not_utf8"),
    "NULs": (lambda: b"\0" * MAX, "malformed"),
    "controls": (lambda: b"\x01" * MAX, "malformed"),
    "open string": (long(lambda x: b'{"ts": "' + x, b"a"), "malformed"),
    "members": (long(lambda x: unknown(b"1" + x), b', "":1'), ""),
    "50 MB of text": (long(lambda x: unknown(b'"' + x + b'"'), b"a", 50_000_000), "malformed"),
    "50 MB of bytes ff": (lambda: b"\xff" * 50_000_000, "not_utf8"),
    "50 MB of spaces": (lambda: b" " * 50_000_000, "blank"),
}
# DuckDB needs 16 bytes for each value of a line, twice while it grows.
MANY_VALUES: dict[str, tuple[Callable[[], bytes], str]] = {
    "lists in lists": (lambda: unknown(b"[" * (MAX // 2 - 90) + b"]" * (MAX // 2 - 90)), ""),
    "list of numbers": (long(lambda x: unknown(b"[" + x + b"]"), b"1,"), ""),
}


@pytest.mark.long
@pytest.mark.parametrize(("lines", "memory", "peak"), [(LONG_LINES, 500, 400), (MANY_VALUES, 800, 800)])
def test_long_lines_are_judged_in_bounded_memory(
    lines: dict[str, tuple[Callable[[], bytes], str]], memory: int, peak: int, tmp_path: Path
) -> None:
    for name, (make, _) in lines.items():
        (tmp_path / name).write_bytes(make() + b"\n" + GOOD + b"\n")
    results = measured("page_views", tmp_path, memory * 10**6)
    for name, (make, reason) in lines.items():
        found, rejected = results[name], reason not in ("", "blank")
        assert found.error == "", name
        assert found.counts["lines"] == (1 if reason == "blank" else 2), name
        assert found.counts["counted"] == 1, name
        assert found.counts["duplicates"] == (0 if reason else 1), name
        text = make()[:4_000].decode(errors="replace").replace("\0", "\ufffd")[:1_000]
        assert found.rejects == [[1, reason, text]] * rejected, name
        assert found.peak < peak, (name, found.peak)


@pytest.mark.long
def test_many_long_lines_take_no_more_memory_than_one(tmp_path: Path) -> None:
    (tmp_path / "many").write_bytes((b"\0" * 4 * MIB + b"\n") * 50 + GOOD)
    found = measured("page_views", tmp_path)["many"]
    assert (found.counts["counted"], found.counts["rejected"]) == (1, 50)
    assert found.peak < 400, found.peak


CSV_MB = 50 * 10**6


@pytest.mark.parametrize("field", [b'"' + b"a" * CSV_MB, b'"' + b'""' * (CSV_MB // 2) + b'"'])
def test_a_csv_field_of_50_mb_is_malformed_in_bounded_memory(field: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(UPDATE + b"\n" + named(field) + b"\n" + UPDATE)
    found = measured("user_updates", tmp_path)["x"]
    assert (found.counts["counted"], found.counts["duplicates"]) == (1, 1)
    assert [row[:2] for row in found.rejects] == [[2, "malformed"]]
    assert found.peak < 200, found.peak


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "unit", "number", "reason"),
    [
        pytest.param("page_views", b"\n", 10**7, None, id="blank lines"),
        pytest.param("page_views", b"7\n", 500_000, "malformed", id="lines of one digit"),
        pytest.param("user_updates", b",\n", 500_000, "malformed", id="lines of one comma"),
        pytest.param("user_updates", b'a"b\n', 300_000, "malformed", id="stray quotes"),
        pytest.param("user_updates", b'"ab\n', 100_000, "malformed", id="open quotes"),
        pytest.param("user_updates", b"\xff\n", 300_000, "not_utf8", id="bytes ff"),
        pytest.param("user_updates", named(b'"a\nb"') + b"\n", 300_000, "", id="two lines each"),
    ],
)
def test_hundreds_of_thousands_of_short_lines_are_judged_in_bounded_memory(
    kind: str, unit: bytes, number: int, reason: str | None, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(unit * number)
    found = measured(kind, tmp_path)["x"]
    assert found.counts["lines"] == (0 if reason is None else number)
    assert found.counts["reasons"] == ({reason: number} if reason else {})
    assert found.counts["duplicates"] == (number - 1 if reason == "" else 0)
    assert found.peak < 500, found.peak


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
def test_a_bomb_fails_with_the_remedy_in_bounded_memory(suffix: str, unit: bytes, tmp_path: Path) -> None:
    # Members and frames may follow each other, so one is made and repeated.
    size = MAX // len(unit) * len(unit)
    body = BOMBS[suffix](unit * (size // len(unit)))
    assert size // len(body) > 500
    (tmp_path / f"bomb{suffix}").write_bytes(body * 8)
    found = measured("page_views", tmp_path)[f"bomb{suffix}"]
    for words in (f"'PageViews/bomb{suffix}'", "500 times", f"{8 * len(body):,} stored bytes"):
        assert words in found.error
    assert "raise MAX_EXPANSION_RATIO" in found.error
    assert found.peak < 100, found.peak


def test_the_ratio_applies_above_the_floor_and_to_the_whole_object() -> None:
    def blocks(size: int) -> Iterator[bytes]:
        yield from [b"x" * MIB] * (size // MIB)
        yield b"x" * (size % MIB)

    def passes(size: int, stored: int, ratio: int) -> bool:
        try:
            return sum(map(len, within_ratio(blocks(size), "k", stored, ratio))) == size
        except LogsError:
            return False

    assert passes(EXPANSION_FLOOR, 1, 1)
    assert not passes(EXPANSION_FLOOR + 1, 1, 1)
    assert passes(100 * MIB, MIB, 100)
    assert not passes(100 * MIB + 1, MIB, 100)
    assert passes(100 * MIB + 1, MIB, 101)


def test_the_default_ratio_is_the_same_everywhere() -> None:
    for model in (Environment, EnvironmentSettings):
        assert model.model_fields["max_expansion_ratio"].default == 500


@pytest.mark.timeout(60)
@pytest.mark.parametrize("repeated", [b"a,b\n", b'""\n', b'a""b\n', b"\n", b'","\n', b'"a"\n'])
@pytest.mark.parametrize("ending", [b"", b'"', b'",7', b'"x', b'\n"x'])
def test_an_open_quote_does_not_make_the_lines_after_it_slow(repeated: bytes, ending: bytes) -> None:
    body = UPDATE + b'\n2017-04-01T00:00:42,7,"' + repeated * 5_000 + ending + b"\n" + UPDATE
    assert differences("user_updates", {"UserUpdates/x": body}) == {}


def test_ten_thousand_columns_are_read_as_the_model_reads_them() -> None:
    many = b", ".join(b'"c%d": %d' % (n, n) for n in range(10_000))
    views = [GOOD[:-1] + b", " + many + b"}", b"{" + many + b", " + GOOD[1:], b"{" + many + b"}"]
    updates = [b",".join([b"x"] * 10_000), UPDATE + b',"x"' * 9_995, b"," * 9_999, b'"",' * 9_999]
    assert differences("page_views", {"PageViews/x": b"\n".join(views)}) == {}
    assert differences("user_updates", {"UserUpdates/x": b"\n".join(updates)}) == {}
