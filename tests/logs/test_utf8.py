"""Lines beside one that is not UTF-8: each is judged by its own bytes."""

from itertools import product
from typing import Any

import pytest

from flows.logs import read_page_views, read_user_updates
from tests.support.readers import PREFIX, differences, extract_bodies

SECOND = (0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
LATER = (b"", b"\x7f", b"\x80", b"\xbf", b"\xc0")
LINES = {
    "page_views": '{"ts": "2017-04-15T17:09:09", "url": "/é/日本/😀", "environment": "production",'
    ' "user_id": 7}',
    "user_updates": '"2017-04-01T00:00:42","1572","é@example.com","日本 😀","production"',
}


@pytest.mark.parametrize("kind", LINES)
def test_a_line_is_utf8_or_not_by_each_of_its_bytes(kind: str) -> None:
    before, _, after = LINES[kind].encode().partition("é".encode())
    # The last one has the others looked through, whatever they hold.
    bodies = {
        f"{PREFIX[kind]}{first:x}{second:x}": b"\n".join(
            before + bytes([first, second]) + b"".join(later) + after
            for later in product(LATER, LATER)
        )
        + b"\n\xff"
        for first in range(0x80, 0x100)
        for second in SECOND
    }
    assert differences(kind, bodies) == {}


@pytest.mark.parametrize(
    ("kind", "reader"), [("page_views", read_page_views), ("user_updates", read_user_updates)]
)
def test_a_line_that_is_not_utf8_sends_no_other_to_the_reader_in_python(
    kind: str, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"read_{kind.removesuffix('s')}"
    read, seen = getattr(reader, name), []

    def noted(raw: bytes, *others: Any) -> Any:
        seen.append(raw)
        return read(raw, *others)

    monkeypatch.setattr(reader, name, noted)
    line = LINES[kind].encode()
    bad = line.replace("é".encode(), b"\xe9")
    [found] = extract_bodies(kind, {"x": b"\n".join([line, bad, line, line])}).values()
    assert (found.counts.lines, found.counts.rejected) == (4, 1)
    assert seen == [bad]
