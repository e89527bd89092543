"""The table of reasons: each record and its verdict."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.logs import read_page_views, read_user_updates
from flows.logs.counts import Counts
from tests.support.cases import CASES, Case
from tests.support.model import model
from tests.support.readers import Read, Rejects, extract_bodies

ENDS = {"as it is": b"", "with LF": b"\n", "with CRLF": b"\r\n"}
PREFIX = {"page_view": "PageViews/", "user_update": "UserUpdates/"}


def _key(number: int, kind: str) -> str:
    return f"{PREFIX[kind]}{number:04}"


@cache
def _extracted(ending: bytes, before: bytes = b"") -> dict[str, Read]:
    """Extract all cases, each an object of its own; give the account and rejects by key."""
    found: dict[str, Read] = {}
    for kind in PREFIX:
        bodies = {
            _key(number, kind): before + case.line + ending
            for number, case in enumerate(CASES)
            if case.kind == kind
        }
        found |= extract_bodies(f"{kind}s", bodies)
    return found


def _verdict(counts: Counts) -> str:
    assert counts.lines <= 1, counts
    if counts.lines == 0:
        return "no_line"
    if counts.rejected:
        [reason] = counts.reasons
        return reason
    [verdict] = [
        name for name in ("counted", "anonymous", "other_environment") if getattr(counts, name) == 1
    ]
    return verdict


def _named(cases: list[Case]) -> list[object]:
    return [pytest.param(number, id=case.name) for number, case in enumerate(cases)]


@pytest.mark.parametrize("ending", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("number", _named(CASES))
def test_a_record_is_counted_or_rejected_for_the_first_reason_that_applies(
    number: int, ending: bytes
) -> None:
    case = CASES[number]
    counts, *_ = _extracted(ending)[_key(number, case.kind)]
    assert _verdict(counts) == case.verdict


@pytest.mark.parametrize("ending", ENDS.values(), ids=ENDS)
def test_accounts_and_rejects_are_those_of_the_model(ending: bytes) -> None:
    before = b"\n\r\n"
    expected = model(
        {_key(n, case.kind): before + case.line + ending for n, case in enumerate(CASES)}
    )
    wanted: dict[str, Rejects] = {}
    for one in expected.rejects:
        wanted.setdefault(one.object_key, []).append((one.line_number, one.reason, one.line))
    for key, (counts, rejects, _) in _extracted(ending, before).items():
        theirs = expected.objects[key]
        ours = (counts.lines, counts.counted, counts.other_environment, counts.anonymous)
        assert ours == (
            theirs.lines,
            theirs.counted,
            theirs.other_environment,
            theirs.anonymous,
        ), key
        assert rejects == sorted(wanted.get(key, [])), key


def test_the_reference_alone_gives_the_same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_is_sure(
        data: NDArray[np.uint8], at: int, line: int, *others: Any
    ) -> tuple[int, int, int]:
        [unsure] = [one for one in others if getattr(one, "ndim", 0) == 2]
        left = 0
        while at < data.size and left < len(unsure):
            end = at + data[at:].tobytes().index(b"\n")
            if data[at:end].tobytes().strip(b" \t\r"):
                unsure[left] = line, at, end
                left += 1
            at, line = end + 1, line + 1
        return at, line, left

    monkeypatch.setattr(read_page_views, "scan_page_views", nothing_is_sure)
    monkeypatch.setattr(read_user_updates, "scan_user_updates", nothing_is_sure)
    for kind in PREFIX:
        bodies = {_key(n, kind): case.line for n, case in enumerate(CASES) if case.kind == kind}
        for key, (counts, _, _) in extract_bodies(f"{kind}s", bodies).items():
            assert _verdict(counts) == CASES[int(key[-4:])].verdict, key
