r"""The table of reasons: what becomes of one record, written down by hand.

Each ``line`` is the whole body of one object, without its last newline; the verdict is the same
with one. Cases are not meant to be joined in one object: a quote that is never closed in one may
be closed by the next. A verdict is one of the reasons of the contract, or ``counted``,
``anonymous``, ``other_environment`` (than ``production``) or ``no_line``.

The values in ``view`` and ``update`` calls are JSON and CSV as written, in raw strings, so that
``\u0000`` is an escape in the log; what is not ASCII is an escape of Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["page_view", "user_update"]


@dataclass(frozen=True)
class Case:
    """One record and what becomes of it; the name is a short sentence."""

    name: str
    kind: Kind
    line: bytes
    verdict: str


GOOD_TS = '"2017-04-15T17:09:09"'
GOOD_URL = '"/products/916/"'
HERE = '"production"'
ELSEWHERE = '"staging"'


def view(
    ts: str | None = GOOD_TS,
    url: str | None = GOOD_URL,
    environment: str | None = HERE,
    user_id: str | None = "2083",
    extra: str = "",
    before: str = "",
) -> bytes:
    """Return a page view; the values are JSON, and None leaves the field out."""
    values = {"ts": ts, "url": url, "environment": environment, "user_id": user_id}
    members = [f'"{name}": {value}' for name, value in values.items() if value is not None]
    members = [before] * bool(before) + members + [extra] * bool(extra)
    return ("{" + ", ".join(members) + "}").encode()


def update(
    updated_at: str = '"2017-04-01T00:00:42"',
    user_id: str = '"1572"',
    email: str = '"XWxBPKqjkeV@example.com"',
    name: str = '"Cheri Honey"',
    environment: str = '"production"',
) -> bytes:
    """Return a user update; the values are CSV fields as written."""
    return f"{updated_at},{user_id},{email},{name},{environment}".encode()


def string(text: str) -> str:
    """Return a JSON string, or a quoted CSV field, of text that needs no escape."""
    return f'"{text}"'


def swap(line: bytes, old: bytes, new: bytes) -> bytes:
    """Return the line with the one occurrence of some bytes replaced."""
    assert line.count(old) == 1, (line, old)
    return line.replace(old, new)


# What is and what is no timestamp, for both kinds alike: a name and its texts (in JSON a tab is
# escaped); $ stands for 2017-04-15T17:09:09.
TIMESTAMPS: list[tuple[str, bool, list[str]]] = [
    (
        "has a T or a space, and a Z or no zone",
        True,
        ["2017-04-15T17:09:10", "2017-04-15 17:09:09", "$Z", "2017-04-15 17:09:09Z"],
    ),
    ("has a zone", True, ["$+00:00", "$-00:00", "$+05:30", "$+23:59", "$-23:59"]),
    ("has no zone that exists", False, ["$+24:00", "$-24:00", "$+05:60", "$+99:99", "$\u221205:30"]),
    ("has a zone in another form", False, ["$+0530", "$+05", "$+5:30", "$+05:30:00", "$05:30", "$ UTC", "$ +05:30"]),
    ("has more than a Z or a zone", False, ["$ Z", "$Z+00:00", "$ZZ", "$+00:00[UTC]"]),
    ("has a lower-case letter", False, ["2017-04-15t17:09:09", "$z"]),
    ("has another sign for the T", False, [f"2017-04-15{sign}17:09:09" for sign in ("_", "  ", "\t", "\u00a0", "")]),
    ("has a fraction", True, ["$.5", "$.123Z", "$.123456", "$.1234567", "$.123456789-03:30", "$." + "9" * 30]),
    ("has a fraction of 10,000 digits", True, ["$." + "1" * 10_000]),
    ("has no fraction of digits", False, ["$.", "$.Z", "$;5", "$.5.5", "$.\u0665", "$.1_5"]),
    ("has a leap second", False, ["2017-04-15T17:09:60", "2016-12-31T23:59:60Z"]),
    ("has 60 minutes", False, ["2017-04-15T17:60:09"]),
    ("has the hour 24", False, ["2017-04-15T24:00:00"]),
    ("has the hour 23", True, ["2017-04-15T23:59:59"]),
    ("has a part too few", False, ["2017-04-15T17:09", "2017-04-15", "17:09:09"]),
    ("has a number of other length", False, ["2017-04-15T7:09:09", "2017-4-15T17:09:09", "17-04-15T17:09:09"]),
    ("has a long or signed year", False, ["12017-04-15T17:09:09", "+2017-04-15T17:09:09"]),
    ("has other separators", False, ["2017/04/15T17:09:09", "20170415T17:09:09", "2017-04-15T170909"]),
    ("is a date of another sort", False, ["2017-W15-6T17:09:09", "2017-105T17:09:09", "Apr 15, 2017 17:09:09"]),
    ("is a number of seconds in a string", False, ["1492276149"]),
    ("is the word", False, ["now", "infinity"]),
    ("has a space or a word around it", False, [" $", "$ ", "ts $"]),
    ("has full-width digits", False, ["\uff12\uff10\uff11\uff17-04-15T17:09:09"]),
    ("has an Arabic or a superscript digit", False, ["2017-04-15T17:09:0\u0669", "2017-04-15T17:09:0\u00b2"]),
    ("is a leap day", True, ["2016-02-29T00:00:00", "2000-02-29T00:00:00"]),
    ("is no leap day", False, ["2017-02-29T00:00:00", "2100-02-29T00:00:00"]),
    ("is a day that the month lacks", False, [f"20{day}T00:00:00" for day in ("16-02-30", "17-04-31", "17-12-32")]),
    ("is the 31st of December", True, ["2017-12-31T00:00:00"]),
    ("is day 0 or month 0 or 13", False, [f"2017-{day}T00:00:00" for day in ("04-00", "00-15", "13-15")]),
    ("is long before 1970", False, [f"000{end}" for end in ("0-01-01T00:00:00", "1-01-01T00:00:00")]),
    ("is before the year 1 in UTC", False, ["0001-01-01T00:00:00+00:01"]),
    ("is in 1969", False, ["1969-12-31T23:59:59"]),
    ("is a microsecond before 1970", False, ["1969-12-31T23:59:59.999999"]),
    ("is less than a microsecond before 1970", False, ["1969-12-31T23:59:59.9999999"]),
    ("is the first instant of 1970", True, ["1970-01-01T00:00:00", "1970-01-01T05:30:00+05:30"]),
    ("is in 1970 there but in 1969 in UTC", False, ["1970-01-01T05:29:59.999999+05:30", "1970-01-01T00:00:00+00:01"]),
    ("is in 1969 there but in 1970 in UTC", True, ["1969-12-31T18:30:00-05:30"]),
    ("is in 1969 there and in UTC", False, ["1969-12-31T18:29:59-05:30"]),
    ("is the last second of 9999", True, ["9999-12-31T23:59:59", "9999-12-31T23:59:59.999999Z"]),
    ("is less than a microsecond before 10000", True, ["9999-12-31T23:59:59.9999999999"]),
    ("is the last instant of 9999 in another zone", True, ["9999-12-31T18:29:59.999999-05:30"]),
    ("is in 9999 there but in 10000 in UTC", False, ["9999-12-31T18:30:00-05:30", "9999-12-31T23:59:00-00:01"]),
    ("is late in 9999 in an eastern zone", True, ["9999-12-31T23:59:59+23:59"]),
    ("is in 10000 there but in 9999 in UTC", False, ["10000-01-01T00:00:00+00:01"]),
    ("is SQL", False, ["$'; DROP TABLE user_page_views; --"]),
]

# What is and what is no user id in a string, for both kinds alike.
USER_IDS: list[tuple[str, bool, list[str]]] = [
    ("is small", True, ["0", "7", "-7", "-0"]),
    ("has leading zeros", True, ["007", "-007", "0009223372036854775807"]),
    ("is 10,000 zeros and a 7", True, ["0" * 10_000 + "7"]),
    ("is 2^53 + 1 or 2^63 - 1", True, ["9007199254740993", "9223372036854775807"]),
    ("is 2^63, 2^64 or more", False, ["9223372036854775808", "18446744073709551616", "9" * 20]),
    ("is -2^63", True, ["-9223372036854775808"]),
    ("is -2^63 - 1", False, ["-9223372036854775809"]),
    ("has 10,000 digits", False, ["1" * 10_000]),
    ("has a sign that is none of its own", False, ["+7", "--7", "7-", "-", "\u22127"]),
    ("has white space", False, [" 7", "7 ", "- 7", "7\t", "\u00a07", " "]),
    ("is no integer, or not written as one", False, ["12.0", "12.5", "12.", "1e3", "1_000", "1.000", "0x7", "0o7"]),
    ("has an Arabic, full-width or superscript digit", False, ["\u0667", "1\uff17", "7\u00b2"]),
    ("is a word", False, ["true", "null", "NaN", "seven"]),
    ("is a UUID", False, ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]),
    ("is SQL", False, ["7; DROP TABLE user_page_views"]),
]


# JSON values of a page view's fields, as they stand in the log, by what becomes of the record.
VALUES = [
    ("x", "counted", "NaN Infinity -Infinity nan -nAN inf -INF iNFINITY -1e999 1e999999"),
    ("x", "counted", "-1.5e-10 -0.0E+00 [1,] [NaN,] {}"),
    ("x", "malformed", "+NaN +Infinity Infinit NaN1 NULL True None undefined truefalse nullnull"),
    ("x", "malformed", ".5 5. +5 05 -05 - 1e 1e+ 0x10 1_000"),
    ("x", "malformed", '[,] [,1] [1,,] [1 [1} [{]} {,} {"a"} {"a":1,,} {"a":1,]'),
    ("x", "malformed", r""" "\x41" "\'" "\v" "\0" "\N" "\." "\U00000041" "\u12" "\u12G4" """),
    ("x", "malformed", r'"\u+041" "\u0_41" "\u0x41" "\u{41}" "a\"'),
    ("ts", "bad_timestamp", '1492276149 1492276149.5 0 true false NaN ["2017-04-15T17:09:09"]'),
    ("ts", "malformed", "[,]"),
    ("user_id", "counted", "0 -0 -7 9007199254740993 9223372036854775807 -9223372036854775808"),
    ("user_id", "bad_user_id", "9223372036854775808 -9223372036854775809 18446744073709551617"),
    ("user_id", "bad_user_id", "12.0 12.5 0.0 1e3 1E3 0e0 1e999 9223372036854775807.0 NaN -inf"),
    ("user_id", "bad_user_id", "true false [7] [7,] [] {}"),
    ("user_id", "malformed", "007 +7"),
    ("url", "bad_url", '916 true false ["/a"] [] Infinity'),
    ("environment", "bad_text", '1 true NaN ["production"]'),
    # Lone surrogates, and pairs in the wrong order, with something between, or cut short.
    ("url", "malformed", r""" "/\ud800" "/\udfff" "/\uDBFF/" "/\\\ud800" ["\ud800"] "\ud83d\u0041" "\ud83d\n" """),
    ("url", "malformed", r""" "/\ude00\ud83d" "\ud83d\ud83d\ude00" "\ud83da\ude00" "\ud83d\ude0" "\ud83d\Ude00" """),
    ("x", "malformed", r""" "\ud800" ["\ud800"] """),
    ("url", "counted", r""" "/\ud83d\ude00" "/\uD83d\uDE00" "/\\ud800" """),
    # Texts with a meaning for JSON, COPY, SQL, and spreadsheets.
    ("url", "counted", r""" "null" "/" "\n" "\r\n" "\"\\\/\b\f\n\r\t" "/a\\" "/\u0001\u001f" """),
    ("url", "counted", r""" "\\N" "\\." "\n\\.\n" "\\n\\t\\x00\\u0000\\000" "/%s/%(id)s/$1/:url/{0}/?" "=1+1" """),
    # Escapes, newlines and NULs in other fields.
    ("ts", "counted", r""" "\u0032017-04-15\u005417:09:09" """),
    ("ts", "bad_timestamp", r""" "" "\u0000" "2017-04-15T17:09:09\n" "2017-04-15T17:09:09\u0000" """),
    ("ts", "bad_timestamp", r""" "2017-04-15T17:09:09,5" "\n2017-04-15T17:09:09" "2017-04-15\n17:09:09" """),
    ("user_id", "counted", r""" "\u0037" """),
    ("user_id", "bad_user_id", r""" "7\n" "7\u0000" "\u0000" "\"7\"" """),
    ("user_id", "anonymous", 'null ""'),
    *((field, "missing_field", "null") for field in ("ts", "url", "environment")),
    (
        "environment",
        "other_environment",
        r""" "staging" "" "PRODUCTION" "Production" "production-eu" "production\n" """,
    ),
    ("environment", "counted", r""" "\u0070roduction" """),
    ("environment", "bad_text", r""" "production\u0000" "\u0000staging" """),
    ("url", "bad_text", r""" "\u0000" "/a\u0000b" """),
]

# More of them, with spaces, or with characters that are not ASCII or not printed.
SPACED: list[tuple[str, str, list[str]]] = [
    ("url", "counted", ['"/\U0010ffff"', '"/\uffff"', '"/\ufffd"', '"/\ue000\ud7ff"', '"/a\x7fb"', '"/a\x85b\x9f"']),
    ("url", "counted", ['"/a\u2028b\u2029c"', '"\ufeff/a"', '"/\u202e\u05d0"', '"/cafe\u0301"', '" "', '"  /a  "']),
    ("url", "counted", [r'''"'; DROP TABLE user_page_views; --"''', '"$$ $body$"', r'"/a,\"b\",c"']),
    ("ts", "malformed", [r'"2017-04-15T17:09:09\ud800"', '"2017-04-15T17:09:09\x00"']),
    ("environment", "malformed", [r'"\ud800"', r'{"a": "\ud800"}']),
    ("user_id", "malformed", [r'"\udc00"', ""]),
    ("url", "malformed", ["\u201c/a\u201d", '"/a\tb"', '"/a\x00b"', r'"\N"']),
    ("user_id", "bad_user_id", ['{"$numberLong": "7"}']),
    ("url", "bad_url", ['""', '{"path": "/a"}']),
    ("environment", "bad_text", ['{"a": "production"}']),
    ("environment", "other_environment", ['"production "', '"pr\u043eduction"']),
]

# CSV fields of a user update, as they stand in the log.
FIELDS: list[tuple[str, str, list[str]]] = [
    # Newlines and quotes.
    ("name", "counted", ['"Cheri\r\nHoney"', '"Cheri\rHoney"', '"\n\n \n\r\n"']),
    ("name", "counted", ['"a""\n""b"', "  Cheri  Honey  ", "'Cheri'"]),
    ("name", "counted", ['"\n2017-04-01T00:00:42,7,a,,production\n"', "a;b\tc", 'Cheri "Ch" Honey']),
    ("name", "counted", ['Honey"', 'Cheri""Honey']),
    ("name", "counted", [' "Cheri"', r'"Cheri\"']),
    ("name", "malformed", ["Cheri\rHoney", "'Cheri, Honey'", 'Cheri "C, H" Honey']),
    ("name", "malformed", [' "Honey, Cheri"', '"Cheri"Honey', "\r"]),
    ("name", "malformed", ['"Cheri" ', '"Cheri" "Honey"', '"Cheri"\r']),
    ("name", "malformed", ['\r"Cheri"', r'"Cheri \"Ch\" Honey"', r"Cheri\, Honey"]),
    ("name", "malformed", ["Honey, Cheri", '"a\nb","c"']),
    ("name", "counted", ['"Honey, Cheri"', '",,,,"', '"Cheri ""Ch"" Honey"', '""""', '""""""', '"Cheri"","']),
    ("name", "counted", ['"a"",""production"""', '"Cheri\nHoney"']),
    # Without quotes.
    ("email", "counted", ["a@example.com"]),
    ("environment", "counted", ["production", "production\r\r"]),
    # Empty fields.
    *((field, "counted", ["", '""']) for field in ("email", "name")),
    ("updated_at", "bad_timestamp", ["", '""']),
    ("user_id", "bad_user_id", ["", '""']),
    ("environment", "other_environment", ["", '""', '"staging"', '"PRODUCTION"', " production", "production "]),
    ("environment", "other_environment", ["production\t", r"\N", '"production\n"', 'production"', '"production\r"']),
    # NULs.
    ("email", "bad_text", ['"a\x00@example.com"', "\x00"]),
    ("name", "bad_text", ['"Cheri\x00Honey"', "Cheri\x00"]),
    ("environment", "bad_text", ['"production\x00"', '"\x00staging"']),
    # Text that means something elsewhere.
    ("name", "counted", [r"\N", r'"\N"', r"\.", '"\n\\.\n"', r'"\n\t\\ \b\x41\101"', r'"\u0000\0\x00"', r'"\ud800"']),
    ("name", "counted", ['"Robert\'); DROP TABLE user_page_views;--"', '"%s %(a)s $1 :a {0} ?"', "null"]),
    ("name", "counted", ["NULL", "\ufeff"]),
    ("email", "counted", [r"\N", "nobody", " ", '"a@\nexample.com"']),
    # Control characters that end no line.
    ("name", "counted", ['"\x01\x0b\x0c\x1a\x1c\x1d\x1e\x1f\x7f"', "a\x0bb\x0cc"]),
    ("name", "counted", ["a\x1cb\x1dc\x1ed", "a\x85b\u2028c\u2029d"]),
    # Timestamps and ids, read as they are without quotes.
    ("updated_at", "counted", ["2017-04-01T00:00:42", "2017-04-01 00:00:42"]),
    ("updated_at", "bad_timestamp", ['"2017-04-01T00:00:42\n"', '2017-04-01T00:00:42"', '"2017-04-01T00:00:42\x00"']),
    ("updated_at", "bad_timestamp", ["2017-04-01T00:00:42 ", '"2017-04-01T00:00:42,5"']),
    ("updated_at", "malformed", ["2017-04-01T00:00:42\r"]),
    ("user_id", "counted", ["7", "-9223372036854775808"]),
    ("user_id", "malformed", ["7\r"]),
    ("user_id", "bad_user_id", ['"7\n"', '"\r\n7"', '7"', '"7\x00"', "9223372036854775808"]),
    ("user_id", "bad_user_id", [" 7", "12.0", '"""7"""', '\ufeff"7"']),
]


def value_cases() -> list[Case]:
    """Return the cases of the three lists above."""
    return (
        [
            Case(f"its {field} is {value!r}", "page_view", view(**{field: value}), verdict)
            for field, verdict, texts in SPACED
            for value in texts
        ]
        + [
            Case(f"its {field} is {value}", "page_view", line, verdict)
            for field, verdict, values in VALUES
            for value in values.split()
            for line in [view(extra=f'"x": {value}') if field == "x" else view(**{field: value})]
        ]
        + [
            Case(f"its {field} is {value!r}", "user_update", update(**{field: value}), verdict)
            for field, verdict, values_of_field in FIELDS
            for value in values_of_field
        ]
    )


def named(table: list[tuple[str, bool, list[str]]]) -> Iterator[tuple[str, str, bool]]:
    """Yield a name, a text, and whether it is good, for each text of the table."""
    for name, good, texts in table:
        for text in texts:
            whole = text.replace("$", "2017-04-15T17:09:09")
            yield (name if len(texts) == 1 else f"{name}: {whole}"), whole, good


def shared_cases() -> list[Case]:
    """Return the cases of timestamps and user ids in strings, for both kinds."""
    cases: list[Case] = []
    for name, text, good in named(TIMESTAMPS):
        verdict, in_json = "counted" if good else "bad_timestamp", string(text.replace("\t", r"\t"))
        cases.append(Case(f"its ts {name}", "page_view", view(ts=in_json), verdict))
        cases.append(Case(f"its updated_at {name}", "user_update", update(updated_at=string(text)), verdict))
    for name, text, good in named(USER_IDS):
        verdict, in_json = "counted" if good else "bad_user_id", string(text.replace("\t", r"\t"))
        cases.append(Case(f"its user_id, a string, {name}", "page_view", view(user_id=in_json), verdict))
        cases.append(Case(f"its user_id {name}", "user_update", update(user_id=string(text)), verdict))
    return cases


TWO = "\u00e9"  # of two bytes in UTF-8
THREE = "\u20ac"
FOUR = "\U0001f600"
DEEP = 100_000
GOOD_VIEW = view()
HEADER = b"updated_at,user_id,email,name,environment"
GOOD_UPDATE = update()

# Whole lines; @ stands for a good record.
LINES: list[tuple[Kind, str, list[bytes]]] = [
    ("page_view", "no_line", [b"", b" ", b" \t\r \r\t ", b"\x0c", b"\x0b", b" \t\x0b\x0c\r"]),
    ("user_update", "no_line", [b"", b"   ", b" \t\r \r\t ", b"\x0c", b"\x0b", b" \t\x0b\x0c\r"]),
    # White space that is not ASCII, and control characters.
    ("page_view", "malformed", [b"\x1c", b"\xc2\x85", b"\xc2\xa0", b"\xe3\x80\x80", b"\xe2\x80\xa8", b"\xe2\x80\x8b"]),
    ("page_view", "malformed", [b"\x00"]),
    ("user_update", "malformed", [b"\x1c", b"\xc2\xa0", b"\x00"]),
    # Not JSON, or not an object; broken quotes, and other numbers of fields.
    ("page_view", "malformed", [b"GET /products/916/ HTTP/1.1", b"ts,url,environment,user_id", b"{", b"}", b"{,}"]),
    ("page_view", "malformed", [b"[]", b'"ts"', b"7", b"null", b"true", b"NaN"]),
    ("user_update", "malformed", [b'""', b",", b",,,,,", b"hello", b'"', b'"""', b'""""']),
    ("user_update", "bad_timestamp", [b",,,,", b" ,,,,", b'"","","","",""']),
    # Good records in white space, ASCII or not, in a list, beside others, and commented.
    ("page_view", "counted", [b"\x0c@", b"\r\x0b\t@ \x0c\x0b\r"]),
    ("page_view", "malformed", [b"\x1f@", b"@\xc2\x85", b" \xef\xbb\xbf@", b"@\xef\xbb\xbf", b"@\x00", b"@\xc2\xa0"]),
    ("page_view", "malformed", [b"[@]", b"@@", b"@,@", b"@\r@", b"@}", b"@,", b"@ // a comment", b"@ # a comment"]),
    ("page_view", "not_utf8", [b"@\xff"]),
    ("user_update", "counted", [b"@\r\r"]),
    ("user_update", "malformed", [b"@ ", b"\r@", b'@"', b'@,"x"', b"@,", b'@,""', b",@", b"@\r "]),
    ("user_update", "bad_timestamp", [b" @"]),
]
# What stands after the members of a good page view, or before them.
MEMBERS: list[tuple[str, str, list[str]]] = [
    # Unknown members: their syntax, and names that look like known ones.
    (
        "extra",
        "malformed",
        [": 1", "x: 1", "1: 1", "null: 1", '/* a comment */ "x": 1', '"x": - Infinity', '"x": 1 000'],
    ),
    ("extra", "malformed", ['"x": \u0667', '"x": 1\u0667', '"x": ["a": 1]', '"x": {"a": 1]']),
    ("extra", "malformed", ['"x": "a\tb"', '"x": "a\x00b"', '"x": "a\rb"', '"x": "a\x1fb"', '"a\tb": 1']),
    ("extra", "malformed", ['\u00a0"x": 1', '\ufeff"x": 1', '\x0c"x": 1', r'"x": "\u 041"', '"x": "\\u004\u0661"']),
    ("extra", "malformed", [r'"\ud800": 1', r'"x": {"\udc00": 1}', r'"user_id": "\ud800"', r'"url": "\ud800"']),
    ("extra", "counted", ['"x": [NaN , ]', '"x": {"a": 1,}', r'"\ud83d\ude00": 1', '"x": 1, "referrer": null, "": []']),
    ("extra", "counted", ['"x": {"ts": 5, "url": null}', '"x": [{"user_id": 1.5}, "ts"]', '"x": {"ts": 1, "ts": 2}']),
    ("extra", "counted", [r'"x": "\u0000"', r'"ts\u0000": "a"', '"TS": 5, "Url": 5', '" ts": 5, "url ": 5']),
    ("extra", "counted", ['"\uff54s": 5', '"email": 5, "name": null', '"__proto__": {"ts": 1}']),
    ("before", "counted", ['"id": "a"']),
    # Names that occur twice: the first one counts.
    ("extra", "counted", [r'"\u0074s": 5', '"ts": 5', '"ts": null', '"url": ""', '"environment": ""']),
    ("extra", "counted", ['"user_id": 1.5', '"user_id": null']),
    ("before", "bad_timestamp", [r'"\u0074s": 5', '"ts": 5', '"ts": 5, "ts": null']),
    ("before", "bad_url", ['"url": ""', '"url": ["url", {"url": 1}]']),
    ("before", "missing_field", ['"ts": null', '"url": null']),
    ("before", "other_environment", ['"environment": ""']),
    ("before", "bad_user_id", ['"user_id": 1.5']),
    ("before", "anonymous", ['"user_id": null', '"user_id": ""']),
    ("before", "malformed", [r'"url": "\ud800"']),
]
# Bytes in a url or a name that are no UTF-8: lone, overlong, surrogates, too high, cut.
IN_URLS = [
    b"\xff",
    b"caf\xe9",
    b"\xc0\xaf",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf4\x90\x80\x80",
]
IN_URLS += [b"\xe2\x82", b"\x80"]
IN_NAMES = [b"Andr\xe9", b"\xed\xa0\x80", b"\n\xff"]


def line_cases() -> Iterator[Case]:
    """Yield the cases of the lists above."""
    for kind, verdict, lines in LINES:
        good = GOOD_VIEW if kind == "page_view" else GOOD_UPDATE
        yield from (Case(f"it is {line!r}", kind, line.replace(b"@", good), verdict) for line in lines)
    for where, verdict, texts in MEMBERS:
        yield from (Case(f"it has {where} {text!r}", "page_view", view(**{where: text}), verdict) for text in texts)
    for bad in IN_URLS:
        yield Case(f"its url holds {bad!r}", "page_view", swap(GOOD_VIEW, b"916", bad), "not_utf8")
    for bad in IN_NAMES:
        yield Case(f"its name holds {bad!r}", "user_update", swap(GOOD_UPDATE, b"Honey", bad), "not_utf8")


_PAGE_VIEWS: list[tuple[str, bytes, str]] = [
    # Lines.
    ("it is the contract's example", GOOD_VIEW, "counted"),
    ("it has white space all over", b' \t\r{ "ts"\r:\t' + GOOD_VIEW[7:-1] + b" } \t", "counted"),
    ("it has no white space", GOOD_VIEW.replace(b" ", b""), "counted"),
    ("a vertical tab stands before the end", GOOD_VIEW[:-1] + b"\x0b}", "malformed"),
    # Not UTF-8.
    ("an unknown field is not UTF-8", view(extra='"x": "#"').replace(b"#", b"\xff"), "not_utf8"),
    ("an unknown name is not UTF-8", view(extra='"#": 1').replace(b"#", b"\xff"), "not_utf8"),
    ("it is in UTF-16", "{}".encode("utf-16"), "not_utf8"),
    # Lone surrogates.
    ("its url holds half a pair and a character", view(url=string(rf"\ud83d{FOUR}")), "malformed"),
    # Not JSON, or not an object.
    ("it is a user update", GOOD_UPDATE, "malformed"),
    ("it is cut short", GOOD_VIEW[:-1], "malformed"),
    ("it is cut short in a string", GOOD_VIEW[:30], "malformed"),
    ("it lacks its opening brace", GOOD_VIEW[1:], "malformed"),
    ("a word follows it", GOOD_VIEW + b"TRAILER", "malformed"),
    ("a comment follows it", GOOD_VIEW + b" // x", "malformed"),
    ("it has a trailing comma", GOOD_VIEW[:-1] + b",}", "counted"),
    ("it has two trailing commas", GOOD_VIEW[:-1] + b",,}", "malformed"),
    ("it has a trailing comma in white space", GOOD_VIEW[:-1] + b" ,\t\r}", "counted"),
    ("it has a leading comma", b"{," + GOOD_VIEW[1:], "malformed"),
    ("it has two commas in a row", swap(GOOD_VIEW, b', "url"', b',, "url"'), "malformed"),
    ("it lacks a comma", swap(GOOD_VIEW, b', "url"', b' "url"'), "malformed"),
    ("it lacks a colon", swap(GOOD_VIEW, b'"url":', b'"url"'), "malformed"),
    ("it has an equals sign for a colon", swap(GOOD_VIEW, b'"url":', b'"url"='), "malformed"),
    ("it has two colons", swap(GOOD_VIEW, b'"url":', b'"url"::'), "malformed"),
    ("it has single quotes", GOOD_VIEW.replace(b'"', b"'"), "malformed"),
    ("there is a NUL between tokens", swap(GOOD_VIEW, b', "url"', b',\x00"url"'), "malformed"),
    ("an unknown list is very deep and not closed", view(extra='"x": ' + "[" * DEEP), "malformed"),
    # Unknown fields.
    ("an unknown field has 10,000 digits", view(extra='"x": ' + "9" * 10_000), "counted"),
    ("an unknown field has 10,000 decimals", view(extra='"x": 0.' + "3" * 10_000), "counted"),
    ("an unknown field has a long exponent", view(extra='"x": 1e' + "9" * 5_000), "counted"),
    ("an unknown list is very deep", view(extra='"x": ' + "[" * DEEP + "]" * DEEP), "counted"),
    ("an unknown object is very deep", view(extra='"x": ' + '{"a":' * DEEP + "1" + "}" * DEEP), "counted"),
    ("an unknown field is long", view(extra='"x": ' + string("a" * 200_000)), "counted"),
    # Names: escapes and duplicates.
    ("a name has an escape", swap(GOOD_VIEW, b'"ts"', rb'"\u0074s"'), "counted"),
    ("a name is all escapes", swap(GOOD_VIEW, b'"url"', rb'"\u0075\u0072\u006C"'), "counted"),
    ("a name has an escaped backslash", swap(GOOD_VIEW, b'"ts"', rb'"\\u0074s"'), "missing_field"),
    ("its ts is under a name with a NUL", swap(GOOD_VIEW, b'"ts', b'"ts\\u0000'), "missing_field"),
    # Missing fields.
    ("it is an empty object", b"{}", "missing_field"),
    ("it has no ts", view(ts=None), "missing_field"),
    ("it has no url", view(url=None), "missing_field"),
    ("it has no environment", view(environment=None), "missing_field"),
    ("its ts is under an upper-case name", swap(GOOD_VIEW, b'"ts"', b'"TS"'), "missing_field"),
    ("its ts is a nested one", view(ts=None, extra=f'"x": {{"ts": {GOOD_TS}}}'), "missing_field"),
    # Timestamps that are no strings, or have escapes.
    ("its ts is an object", view(ts=f'{{"$date": {GOOD_TS}}}'), "bad_timestamp"),
    # User ids that are no strings, or have escapes.
    ("its user_id has 10,000 digits", view(user_id="1" * 10_000), "bad_user_id"),
    # Visitors who were not logged in.
    ("it has no user_id", view(user_id=None), "anonymous"),
    ("its user_id is under another name", swap(GOOD_VIEW, b'"user_id"', b'"User_ID"'), "anonymous"),
    ("it is anonymous elsewhere", view(environment=ELSEWHERE, user_id=None), "other_environment"),
    ("it is null's elsewhere", view(environment=ELSEWHERE, user_id="null"), "other_environment"),
    ("it is anonymous and has no ts", view(ts=None, user_id=None), "missing_field"),
    ("it is anonymous with a bad ts", view(ts="5", user_id='""'), "bad_timestamp"),
    ("it is anonymous with a bad url", view(url='""', user_id="null"), "bad_url"),
    ("it is anonymous with a NUL", view(url=r'"\u0000"', user_id=None), "bad_text"),
    # URLs.
    ("its url has 2,048 bytes", view(url=string("a" * 2048)), "counted"),
    ("its url has 2,049 bytes", view(url=string("a" * 2049)), "bad_url"),
    ("its url has 2,048 bytes in twos", view(url=string(TWO * 1024)), "counted"),
    ("its url has 2,049 bytes in twos", view(url=string(TWO * 1024 + "a")), "bad_url"),
    ("its url has 1,025 characters of two bytes", view(url=string(TWO * 1025)), "bad_url"),
    ("its url has 2,048 bytes in threes", view(url=string(THREE * 682 + "ab")), "counted"),
    ("its url has 2,049 bytes in threes", view(url=string(THREE * 683)), "bad_url"),
    ("its url has 2,048 bytes in fours", view(url=string(FOUR * 512)), "counted"),
    ("its url has 2,049 bytes in fours", view(url=string(FOUR * 512 + "a")), "bad_url"),
    ("its url has 2,048 bytes as escapes", view(url=string(r"\u0061" * 2048)), "counted"),
    ("its url has 2,049 bytes as escapes", view(url=string(r"\u0061" * 2049)), "bad_url"),
    ("its url has 2,048 bytes as pairs", view(url=string(r"\ud83d\ude00" * 512)), "counted"),
    ("its url has 2,049 bytes as pairs", view(url=string(r"\ud83d\ude00" * 512 + "a")), "bad_url"),
    ("its url has 2,048 backslashes", view(url=string(r"\\" * 2048)), "counted"),
    ("its url has 2,049 backslashes", view(url=string(r"\\" * 2049)), "bad_url"),
    ("its url is 100,000 bytes long", view(url=string("a" * 100_000)), "bad_url"),
    # Text.
    ("its url holds a NUL of 2,048 bytes", view(url=string(r"\u0000" + "a" * 2047)), "bad_text"),
    ("its environment is a number and its url a NUL", view(GOOD_TS, r'"\u0000"', "1"), "bad_text"),
    ("it is anonymous with an environment of 1", view(environment="1", user_id=None), "bad_text"),
    # Environments.
    ("its environment is very long", view(environment=string("p" * 10_000)), "other_environment"),
    # The first reason that applies.
    ("not UTF-8 goes before malformed", b"{\xff", "not_utf8"),
    ("not UTF-8 goes before a missing field", b'{"x": "\xff"}', "not_utf8"),
    ("not UTF-8 goes before a bad ts", swap(view(ts='"#"'), b"#", b"\xff"), "not_utf8"),
    ("not UTF-8 goes before a bad user_id", swap(view(user_id='"#"'), b"#", b"\xff"), "not_utf8"),
    ("not UTF-8 goes before a bad url", swap(view(url='"#"'), b"#", b"\xff" * 2049), "not_utf8"),
    ("not UTF-8 goes before a NUL", swap(view(url=r'"\u0000#"'), b"#", b"\xff"), "not_utf8"),
    ("not UTF-8 goes before elsewhere", swap(view(environment='"#"'), b"#", b"\xff"), "not_utf8"),
    ("it is cut short and holds a lone surrogate", view(url=r'"\ud800"')[:-1], "malformed"),
    ("malformed goes before a missing field", b'{"x": 1,,}', "malformed"),
    ("malformed goes before a bad ts", view(ts="5")[:-1], "malformed"),
    ("malformed goes before a bad user_id", view(user_id="1.5")[:-1], "malformed"),
    ("malformed goes before a bad url", view(url="5")[:-1], "malformed"),
    ("malformed goes before a bad text", view(environment="5")[:-1], "malformed"),
    ("malformed goes before elsewhere", view(environment=ELSEWHERE)[:-1], "malformed"),
    ("a lone surrogate goes before a missing field", view(ts=None, url=r'"\ud800"'), "malformed"),
    ("a lone surrogate goes before a bad ts", view(ts="5", url=r'"\ud800"'), "malformed"),
    ("a lone surrogate goes before bad ids", view(url=r'"\ud800"', user_id="1.5"), "malformed"),
    ("a lone surrogate goes before a bad url", view(url="5", user_id=r'"\ud800"'), "malformed"),
    ("a lone surrogate goes before a NUL", view(url=r'"\u0000\ud800"'), "malformed"),
    ("a lone surrogate goes before a bad text", view(environment=r'["\ud800"]'), "malformed"),
    ("a lone surrogate goes before elsewhere", view(GOOD_TS, r'"\ud800"', '""'), "malformed"),
    ("a missing field goes before a bad ts", view(ts="5", url=None), "missing_field"),
    ("a missing field goes before a bad user_id", view(ts=None, user_id="1.5"), "missing_field"),
    ("a missing field goes before a bad url", view(url='""', environment=None), "missing_field"),
    ("a missing field goes before a bad text", view(ts=None, environment="5"), "missing_field"),
    ("a missing ts goes before elsewhere", view(ts=None, environment=ELSEWHERE), "missing_field"),
    ("a bad ts goes before a bad user_id", view(ts="5", user_id="1.5"), "bad_timestamp"),
    ("a bad ts goes before a bad url", view(ts="5", url="5"), "bad_timestamp"),
    ("a bad ts goes before a bad text", view(ts="5", environment="5"), "bad_timestamp"),
    ("a bad ts goes before elsewhere", view(ts="5", environment=ELSEWHERE), "bad_timestamp"),
    ("a bad user_id goes before a bad url", view(user_id="1.5", url='""'), "bad_user_id"),
    ("a bad user_id goes before a bad text", view(user_id="1.5", environment="5"), "bad_user_id"),
    ("a bad user_id goes before elsewhere", view(user_id="{}", environment=ELSEWHERE), "bad_user_id"),
    ("a bad url goes before a bad text", view(url="5", environment="5"), "bad_url"),
    ("a long url goes before its NUL", view(url=string(r"\u0000" + "a" * 2048)), "bad_url"),
    ("a bad url goes before elsewhere", view(url='""', environment=ELSEWHERE), "bad_url"),
    ("a bad text goes before elsewhere", view(url=r'"\u0000"', environment=ELSEWHERE), "bad_text"),
]

_USER_UPDATES: list[tuple[str, bytes, str]] = [
    # Lines.
    ("it is the contract's example", GOOD_UPDATE, "counted"),
    ("it is a header row", HEADER, "no_line"),
    ("it is a header row in quotes", b'"' + HEADER.replace(b",", b'","') + b'"', "no_line"),
    ("it is a half-quoted header row", b'updated_at,"user_id",email,"name",environment', "no_line"),
    ("it is a header row and CRs", HEADER + b"\r\r", "no_line"),
    ("it is a header row in capitals", HEADER.title(), "bad_timestamp"),
    ("it is a header row with spaces", HEADER.replace(b",", b", "), "bad_timestamp"),
    ("it is a header row of four", b"updated_at,user_id,email,name", "malformed"),
    ("it is a header row of six", b"updated_at,user_id,email,name,environment,", "malformed"),
    ("it is a header row in another order", HEADER[11:18] + b"," + HEADER[:11] + HEADER[19:], "bad_timestamp"),
    ("it is a header row with a newline", HEADER[:-11] + b'"environment\n"', "bad_timestamp"),
    ("it is a page view", GOOD_VIEW, "malformed"),
    # Quoting.
    ("nothing is quoted", GOOD_UPDATE.replace(b'"', b""), "counted"),
    ("only a name is quoted", b'2017-04-01T00:00:42,7,a@example.com,"A, B",production', "counted"),
    ("it has semicolons for commas", GOOD_UPDATE.replace(b",", b";"), "malformed"),
    ("it has tabs for commas", GOOD_UPDATE.replace(b",", b"\t"), "malformed"),
    ("it has semicolons unquoted", GOOD_UPDATE.replace(b'"', b"").replace(b",", b";"), "malformed"),
    ("its first quote is open", b'"2017-04-01T00:00:42,7,a@example.com,b,production', "malformed"),
    ("its last quote is not closed", GOOD_UPDATE[:-1], "malformed"),
    ("a comment is no comment", b"# " + GOOD_UPDATE.replace(b'"', b""), "bad_timestamp"),
    # Numbers of fields.
    ("it has one field", b'"2017-04-01T00:00:42"', "malformed"),
    ("it has four fields", b'"2017-04-01T00:00:42","1572","a@example.com","Cheri"', "malformed"),
    ("it has four fields, unquoted", b"2017-04-01T00:00:42,7,a@example.com,production", "malformed"),
    ("it has four fields on two lines", b'"2017-04-01T00:00:42","1572","a","b\nc"', "malformed"),
    ("it has four fields and an empty one", b"2017-04-01T00:00:42,7,a,b,", "other_environment"),
    # Empty fields.
    ("its email and name are empty", update(email="", name=""), "counted"),
    # Not UTF-8.
    ("its email holds the byte ff", swap(GOOD_UPDATE, b"example", b"\xff"), "not_utf8"),
    ("its environment holds a lone byte", swap(GOOD_UPDATE, b"production", b"\x80"), "not_utf8"),
    ("its user_id holds an overlong 7", swap(GOOD_UPDATE, b"1572", b"\xc0\xb7"), "not_utf8"),
    ("its name has many scripts", update(name=f"{TWO}{THREE}{FOUR}\u05d0\u4e2d"), "counted"),
    # Text.
    ("its name has 131,072 characters", update(name=string("a" * 131_072)), "counted"),
    ("its name has 131,073 characters", update(name=string("a" * 131_073)), "malformed"),
    ("its name, unquoted, has 131,073 characters", update(name="a" * 131_073), "malformed"),
    ("its name has 131,072 long characters", update(name=string(FOUR * 131_072)), "counted"),
    ("its name has 131,073 long characters", update(name=string(FOUR * 131_073)), "malformed"),
    ("its name has 131,072 escaped quotes", update(name=string('""' * 131_072)), "counted"),
    ("its name has 131,073 escaped quotes", update(name=string('""' * 131_073)), "malformed"),
    ("its updated_at has 131,073 characters", update("0" * 131_073), "malformed"),
    ("its user_id has 131,072 zeros", update(user_id="0" * 131_072), "counted"),
    ("a sixth field has 131,073 characters", GOOD_UPDATE + b"," + b"a" * 131_073, "malformed"),
    ("its name is 200,000 bytes long", update(name=string("a" * 200_000)), "malformed"),
    ("its email is 3,000 bytes long", update(email=string("a" * 3000)), "counted"),
    ("it has 100 lines", update(name=string("a\n" * 99)), "counted"),
    ("it has 100 lines that end in CRLF", update(name=string("\r\n" * 99)), "counted"),
    ("two fields have 99 ends", update(email=string("\n" * 50), name=string("\n" * 49)), "counted"),
    # Unquoted timestamps and ids, as they are read without quotes.
    # Environments.
    # The first reason that applies.
    ("not UTF-8 goes before four fields", b"a,b,c,\xff", "not_utf8"),
    ("not UTF-8 goes before bad quoting", swap(update(name='"a"#'), b"#", b"\xff"), "not_utf8"),
    ("not UTF-8 goes before a quote not closed", b'"\xff', "not_utf8"),
    ("not UTF-8 goes before a bad updated_at", swap(update("#"), b"#", b"\xff"), "not_utf8"),
    ("not UTF-8 goes before a bad user_id", swap(update(user_id="#"), b"#", b"\xff"), "not_utf8"),
    ("not UTF-8 goes before a NUL", swap(update(name="#"), b"#", b"\x00\xff"), "not_utf8"),
    ("not UTF-8 goes before elsewhere", swap(update(environment="#"), b"#", b"\xff"), "not_utf8"),
    ("not UTF-8 goes before a likely header", b"updated_at,user_id,email,name,\xff", "not_utf8"),
    ("malformed goes before a bad updated_at", b"never,7,a,b", "malformed"),
    ("malformed goes before a bad user_id", update(user_id="x", name="a,b"), "malformed"),
    ("malformed goes before a NUL", update(email="\x00", name="a,b"), "malformed"),
    ("malformed goes before elsewhere", update(name="a,b", environment="x"), "malformed"),
    ("bad quoting goes before a bad updated_at", update("never", name='"a"b'), "malformed"),
    ("not UTF-8 goes before length", swap(update("0" * 131_073 + "#"), b"#", b"\xff"), "not_utf8"),
    ("too long goes before elsewhere", update("0" * 131_073, environment="x"), "malformed"),
    ("a bad updated_at goes before a bad user_id", update("never", "x"), "bad_timestamp"),
    ("a bad updated_at goes before a NUL", update("never", name="\x00"), "bad_timestamp"),
    ("a bad updated_at goes before elsewhere", update("", environment="x"), "bad_timestamp"),
    ("a bad user_id goes before a NUL", update(user_id="x", email="\x00"), "bad_user_id"),
    ("a bad user_id goes before elsewhere", update(user_id="x", environment="x"), "bad_user_id"),
    ("a NUL goes before elsewhere", update(name="\x00", environment="x"), "bad_text"),
]

MOST_BYTES = 16 * 2**20


def long_cases() -> list[Case]:
    """Return the cases of lines around 16 MiB, which are made only where they are needed."""
    name = "x" * (MOST_BYTES - len(view(extra='"": 1')))
    longest = view(extra=f'"{name}": 1')
    many = (b"x" * 2**16 + b",") * 256  # no valid update can be as long as that
    many = many[-MOST_BYTES:]
    return [
        Case("it has 16 MiB", "page_view", longest, "counted"),
        Case("it has 16 MiB and a byte", "page_view", longest + b" ", "malformed"),
        Case("it has more than 16 MiB", "page_view", longest + b" " * MOST_BYTES, "malformed"),
        Case("it is too long and not UTF-8", "page_view", longest + b"\xff", "not_utf8"),
        Case("it has 16 MiB", "user_update", many, "malformed"),
        Case("it has 16 MiB and a byte", "user_update", many + b"1", "malformed"),
        Case("it is too long and not UTF-8", "user_update", many + b"\xff", "not_utf8"),
    ]


CASES: list[Case] = [
    *(Case(name, "page_view", line, verdict) for name, line, verdict in _PAGE_VIEWS),
    *(Case(name, "user_update", line, verdict) for name, line, verdict in _USER_UPDATES),
    *line_cases(),
    *value_cases(),
    *shared_cases(),
]
