"""The table of reasons: each record and its verdict."""

import gzip
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from flows.counts import Counts
from flows.logs.plain_file import MAX_LINE_BYTES, write_plain_file
from tests.support.cases import CASES, Case, long_cases, update, view
from tests.support.readers import differences, extract_bodies

ENDS = {"as it is": b"", "with LF": b"\n", "with CRLF": b"\r\n"}
PREFIX = {"page_view": "PageViews/", "user_update": "UserUpdates/"}
GOOD = view()
# DuckDB refuses to read a file with these lines, so all lines of its unit are read one by one.
REFUSED = b"[\n]\n"


def _bodies(kind: str, before: bytes, ending: bytes) -> dict[str, bytes]:
    """All cases of a kind, each an object of its own."""
    return {
        f"{PREFIX[kind]}{number:04}": before + case.line + ending
        for number, case in enumerate(CASES)
        if case.kind == kind
    }


@cache
def _verdicts(ending: bytes, *, one_by_one: bool) -> dict[int, str]:
    """The verdict of each case by its number."""
    found: dict[int, str] = {}
    for kind in PREFIX:
        bodies = _bodies(kind, b"", ending)
        if one_by_one:
            bodies["PageViews/refused"] = REFUSED
        read = extract_bodies(f"{kind}s", bodies)
        found |= {int(key[-4:]): _verdict(read[key].counts) for key in bodies if key[-1].isdigit()}
    return found


def _verdict(counts: Counts) -> str:
    assert counts.lines <= 1, counts
    if counts.lines == 0:
        return "no_line"
    if counts.rejected:
        [reason] = counts.reasons
        return reason
    [verdict] = [name for name in ("counted", "anonymous", "other_environment") if getattr(counts, name) == 1]
    return verdict


def _named(cases: list[Case]) -> list[object]:
    return [pytest.param(number, id=case.name) for number, case in enumerate(cases)]


@pytest.mark.parametrize("ending", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("number", _named(CASES))
def test_a_record_is_counted_or_rejected_for_the_first_reason_that_applies(number: int, ending: bytes) -> None:
    assert _verdicts(ending, one_by_one=False)[number] == CASES[number].verdict


def test_lines_that_are_read_one_by_one_get_the_same_verdicts() -> None:
    assert _verdicts(b"", one_by_one=True) == {n: case.verdict for n, case in enumerate(CASES)}


@pytest.mark.parametrize("ending", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("kind", PREFIX)
def test_accounts_and_rejects_are_those_of_the_model(kind: str, ending: bytes) -> None:
    assert differences(f"{kind}s", _bodies(kind, b"\n\r\n", ending)) == {}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", PREFIX)
def test_lines_of_about_16_mib_are_judged_as_the_table_says(kind: str, compressed: bool) -> None:
    cases = [case for case in long_cases() if case.kind == kind]
    blank = b"\n" + b" " * (MAX_LINE_BYTES + 1)
    cases.append(Case("it is too long and blank", cases[0].kind, blank, "no_line"))
    good = GOOD if kind == "page_view" else update()
    for case in cases:
        for ending in ENDS.values():
            body = b"\n" + case.line + ending
            if ending:
                # What follows a long line is read as usual.
                body += good
            key = f"{PREFIX[kind]}x" + (".gz" if compressed else "")
            stored = gzip.compress(body, 1) if compressed else body
            [(counts, rejects, _)] = extract_bodies(f"{kind}s", {key: stored}).values()
            counted = counts.counted + counts.duplicates - bool(ending)
            counts = replace(counts, counted=counted, lines=counts.lines - bool(ending))
            assert _verdict(counts) == case.verdict, (case.name, ending)
            assert [(line, why) for line, why, _ in rejects] == [(2, reason) for reason in counts.reasons]


@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("cut", [1, 2, 3, 1_000_000])
def test_the_length_of_a_line_does_not_include_its_end(tmp_path: Path, extra: int, ending: bytes, cut: int) -> None:
    body = b"\n" + b"x" * (MAX_LINE_BYTES + extra) + ending
    plain = write_plain_file(iter([body[:-cut], body[-cut:]]), tmp_path / "plain")
    longer = extra + (ending == b"\r") > 0
    assert (plain.lines, plain.too_long) == (2, {2: True} if longer else {})


# Whole files that DuckDB reads as other lines than they have.
MISREAD = {
    "brackets": b"[\n]\n",
    "an array over lines": b"[\n" + GOOD + b",\n" + GOOD + b"\n]\n",
    "pretty-printed JSON": GOOD.replace(b", ", b",\n  ").replace(b"{", b"{\n  "),
    "a bare NaN at the end": GOOD + b"\nNaN",
    "a bare NaN at the end, with LF": GOOD + b"\nNaN\n",
    "a bare NaN after a blank line": b"\n" + GOOD + b"\n\nNaN\n\n",
    "lines in a string": b'[\n{"x":"\\n{\\"ts\\":1}\\n"}\n{"ts":2}\n',
    "a page view in a string": (b'[\n{"x":"\\n' + GOOD.replace(b'"', b'\\"') + b'\\n"}\n' + GOOD + b"\n"),
    "a line cut in an object": b'{"a":\n' + GOOD + b"\n" + GOOD,
    "a line cut in a list": b"[1,\n" + GOOD + b"\n" + GOOD,
    "two objects in a line": GOOD + GOOD + b"\n" + GOOD,
    "a lone BOM in a line": b"\xef\xbb\xbf\n" + GOOD,
}


@pytest.mark.parametrize("name", MISREAD)
def test_an_object_that_duckdb_misreads_and_its_neighbours_are_read_line_by_line(name: str) -> None:
    body = MISREAD[name]
    first, last = GOOD + b"\n{bad\n", b"\n\n" + GOOD + b"\n\xff\n"
    for bodies in ({"b": body}, {"a": first, "b": body, "c": last}, {"a": b"", "b": body}):
        assert differences("page_views", {f"PageViews/{k}": v for k, v in bodies.items()}) == {}


@pytest.mark.long
def test_bad_lines_anywhere_in_a_large_object_are_found() -> None:
    # Several of DuckDB's buffers of 32 MiB; lines cross their ends.
    filler = GOOD[:-1] + b', "x": "' + b"a" * 300_000 + b'"}\n'
    odd = [b"[", b"{bad", b"NaN", b"\xff", b"", b'{"a":', b"\r", filler[:200_000], GOOD + GOOD]
    body = b"".join(filler + odd[n % len(odd)] + b"\n" + GOOD + b"\n" for n in range(400))
    assert differences("page_views", {"PageViews/large": body}) == {}
