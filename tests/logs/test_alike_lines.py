"""Lines like the one before: what differs in one byte is judged as if it stood alone."""

import pytest

from tests.support.readers import differences

# Each with a remark, a user and a URL of another length than the first.
SHAPES = {
    "usual": (
        b'{"ts": "2017-04-15T17:09:09", "url": "/products/916/", "environment": "production", '
        b'"user_id": 2083}'
    ),
    "compact, a zone, a user as text": (
        b'{"user_id":"-17","environment":"production","ts":"2017-04-15T17:09:09.25+02:00",'
        b'"url":"/a"}'
    ),
    "another environment": (
        b'{"url": "/help/\xc3\xa9t\xc3\xa9/", "ts": "2017-04-15 17:09:09Z", "user_id": 0, '
        b'"environment": "staging"}'
    ),
    "names that come again, unknown ones": (
        b' {"url": 1, "user_id": 9, "more": {"url": ["x", 1e3]}, "user_id": 12 , '
        b'"url": "/search/?q=%22&page=2" ,\t"environment": "production", '
        b'"ts": "2017-04-15T17:09:09", "ts": "2017-04-15T17:09:10", "end": null} \r'
    ),
    "a visitor": (
        b'{"ts": "2017-04-15T17:09:09", "url": "/", "environment": "production", "user_id": ""}'
    ),
    "a URL of escapes": (
        b'{"ts": "2017-04-15T17:09:09", "url": "\\/a", "environment": "production", "user_id": 1}'
    ),
    "a URL and an environment of escapes": (
        rb'{"environment":"\u0070roduction","ts":"2017-04-15T17:09:09","url":"\/","user_id":1}'
    ),
    "escapes in all texts": (
        rb'{"\u0074s": "2017-04-15T17:09:09\u002b02:00", "url": "\u00e9\ud83d\ude00\"", '
        rb'"environment": "productio\u006E", "user_id": "1"}'
    ),
}
BYTES = [bytes([byte]) for byte in b'\0\t\n\r "\\,:{}[]-+.0159eTZa\x7f\x80\xc3']


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_line_that_differs_in_one_byte_is_judged_as_if_it_stood_alone(shape: bytes) -> None:
    bodies = {}
    for at in range(len(shape)):
        others = [shape[:at] + shape[at + 1 :]]
        others += [shape[:at] + byte + shape[at + 1 :] for byte in BYTES]
        others += [shape[:at] + byte + shape[at:] for byte in BYTES]
        bodies[f"PageViews/{at}"] = b"\n".join(line for other in others for line in (shape, other))
    assert differences("page_views", bodies) == {}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_object_that_ends_anywhere_in_such_a_line_is_read_to_its_end(shape: bytes) -> None:
    body = b"\n".join([shape, shape.replace(b"2017", b"2018"), shape.replace(b"/", b"//")])
    bodies = {f"PageViews/{end}": body[:end] for end in range(len(body) + 1)}
    assert differences("page_views", bodies) == {}


def test_lines_of_one_layout_keep_their_own_values() -> None:
    urls = [*(b"/" + b"u" * size for size in (*range(40), 2_046, 2_047, 2_048)), b""]
    users = [b"0", b"-0", b"00", b"7", b"-7", b"2083", b"9" * 18, b"9" * 19, b"-" + b"9" * 18]
    users += [sign + b"%d" % (2**63 + more) for sign in (b"", b"-") for more in range(-20, 2)]
    whole = SHAPES["usual"]
    for quote in (b"", b'"'):
        lines = [
            whole.replace(b"/products/916/", url).replace(b"2083", quote + user + quote)
            for url in urls
            for user in users
        ]
        assert differences("page_views", {"PageViews/x": b"\n".join(lines)}) == {}


def test_a_timestamp_that_comes_again_is_the_same_instant_again() -> None:
    stamps = [b"2017-04-15T17:09:09", b"2017-02-29T17:09:09", b"2017-04-15T17:09:08", b"", b"x"]
    lines = [
        SHAPES["usual"].replace(b"2017-04-15T17:09:09", stamp).replace(b"2083", str(user).encode())
        for first in stamps
        for second in stamps
        for user, stamp in enumerate([first, first, second, first])
    ]
    assert differences("page_views", {"PageViews/x": b"\n".join(lines)}) == {}
