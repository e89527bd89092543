"""Strings with escapes, as many writers of JSON make them: PHP each slash, .NET each ``&``."""

import pytest

from flows.logs import read_page_views
from tests.support.readers import differences, extract_bodies

UNITS = (
    *("0000", "0001", "001f", "0022", "002F", "005c", "007f", "0080", "07FF", "0800"),
    *("d7ff", "d800", "D83D", "dbff", "dc00", "DE00", "dfff", "e000", "fffe", "ffFF"),
)
# Lines that are valid and nothing else, each kind in the way of one writer.
WRITTEN = {
    "slashes": rb'"ts": "2017-04-15T17:09:09", "url": "\/a\/", "environment": "production"',
    "letters": rb'"ts": "2017-04-15T17:09:09", "url": "/\u00e9\u4e2D", "environment": "production"',
    "pairs": rb'"ts": "2017-04-15T17:09:09", "url": "/\ud83d\ude00", "environment": "production"',
    "a zone": rb'"ts": "2017-04-15T17:09:09\u002b02:00", "url": "/", "environment": "production"',
    "environment": rb'"ts": "2017-04-15T17:09:09", "url": "/", "environment": "\u0070roduction"',
    "all texts": (
        rb'"ts": "\u0032017-04-15T17:09:09", "url": "\/a\/", "environment": "productio\u006e"'
    ),
    "names": rb'"ts": "2017-04-15T17:09:09", "\u0075rl": "/", "environment": "production", "\n": 1',
    "unknown fields": (
        rb'"agent": "a\/b", "url": "/", "a\ud800": "\ud800", "environment": "production", '
        rb'"ts": "2017-04-15T17:09:09"'
    ),
}
USERS = (b"7", b'"-7"', b"1234567890123456789", b"-9223372036854775799", b"null", b'""')


def view(url: str) -> bytes:
    """A line with this between the quotes of its URL."""
    other = '"ts": "2017-04-15T17:09:09", "environment": "production", "user_id": 1'
    return f'{{"url": "{url}", {other}}}'.encode()


def test_each_escape_of_four_digits_stands_for_its_character() -> None:
    # 256 lines each, as at most 1,000 rejects of an object are kept.
    bodies = {
        f"PageViews/{high:02x}": b"\n".join(
            view(rf"/\u{high:02x}{low:02X}/") for low in range(0x100)
        )
        for high in range(0x100)
    }
    assert differences("page_views", bodies) == {}


def test_each_escape_of_one_character_stands_for_its_own() -> None:
    bodies = {f"PageViews/{code:02x}": view(f"/\\{chr(code)}/") for code in range(0x20, 0x80)}
    assert differences("page_views", bodies) == {}


def test_two_escapes_are_one_character_only_if_they_are_its_two_halves() -> None:
    bodies = {
        f"PageViews/{first}{number}": b"\n".join(
            view(rf"/\u{first}{between}\u{second}") for second in UNITS
        )
        for first in UNITS
        for number, between in enumerate(("", "x", "\U0001f600", r"\\", r"\n"))
    }
    assert differences("page_views", bodies) == {}


@pytest.mark.parametrize(
    ("text", "size"),
    [("a", 1), (r"\/", 1), (r"\u00e9", 2), (r"\u4e2d", 3), (r"\ud83d\ude00", 4)],
)
def test_a_url_is_as_long_as_what_its_escapes_stand_for(text: str, size: int) -> None:
    bodies = {
        f"PageViews/{times}{less}{tail}": view(text * times + "a" * less + tail)
        for times in range(2_048 // size - 2, 2_048 // size + 2)
        for less in range(4)
        for tail in ("", r"\/", r"\u0001", r"\ud83d\ude00")
    }
    assert differences("page_views", bodies) == {}


def test_equal_urls_are_one_however_they_are_written() -> None:
    lines = b"\n".join(map(view, ("/é/", r"\/é\/", r"/\u00e9/", r"\u002f\u00E9\u002F")))
    [read] = extract_bodies("page_views", {"PageViews/x": lines}).values()
    assert (read.counts.lines, read.counts.counted, read.counts.duplicates) == (4, 1, 3)
    assert [url for *_, url in read.events] == ["/é/"]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("written", WRITTEN)
def test_what_writers_write_all_day_needs_no_reader_in_python(
    written: str, user: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b"{" + WRITTEN[written] + b', "user_id": ' + user + b"}"
    assert differences("page_views", {"PageViews/x": line}) == {}

    def called(raw: bytes) -> None:
        raise AssertionError(f"read in Python: {raw!r}")

    monkeypatch.setattr(read_page_views, "read_page_view", called)
    [read] = extract_bodies("page_views", {"PageViews/x": b"\n".join([line] * 3)}).values()
    assert (read.counts.lines, read.counts.rejected) == (3, 0)
