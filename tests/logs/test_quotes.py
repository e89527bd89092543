"""Quotes in fields of user updates, each of them twice, as RFC 4180 has it."""

from itertools import product

import pytest

from flows.logs import read_user_updates
from tests.support.readers import differences, extract_bodies

BEFORE = b'"2017-04-01T00:00:42","1572",'


@pytest.mark.parametrize("parts", [(b'"', b",", b"a"), (b'"', b"a", b"\n"), (b'"', b"\0", b"\r")])
@pytest.mark.parametrize(
    ("before", "after"),
    [(BEFORE, b",production"), (BEFORE + b"e,", b",production"), (BEFORE + b"e,n,", b"")],
    ids=["email on", "name", "environment"],
)
def test_fields_are_told_apart_however_quotes_stand_in_them(
    parts: tuple[bytes, ...], before: bytes, after: bytes
) -> None:
    bodies = {
        f"UserUpdates/{size}/{number}": before + b"".join(some) + after + b"\n"
        for size in range(8)
        for number, some in enumerate(product(parts, repeat=size))
    }
    assert differences("user_updates", bodies) == {}


def test_an_environment_may_hold_a_quote() -> None:
    lines = b"\n".join(BEFORE + b"e,n," + one for one in (b'"a""b"', b'"ab"', b'"a""""b"', b'a""b'))
    [read] = extract_bodies("user_updates", {"x": lines}, log_environment='a"b').values()
    counts = read.counts
    assert (counts.counted, counts.other_environment, counts.reasons) == (1, 2, {"malformed": 1})


def test_names_with_quotes_need_no_reader_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (b'"Cheri ""Ch"" Honey"', b'""""', b'"Honey, ""Ch"""')
    line = b"\n".join(BEFORE + b"e," + name + b",production" for name in names)
    assert differences("user_updates", {"UserUpdates/x": line}) == {}

    def called(raw: bytes, fields: object) -> None:
        raise AssertionError(f"read in Python: {raw!r}")

    monkeypatch.setattr(read_user_updates, "read_user_update", called)
    [read] = extract_bodies("user_updates", {"x": line}).values()
    assert read.counts.counted == len(names)
