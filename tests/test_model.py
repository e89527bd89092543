"""The model of the logs, checked against the table of reasons and small examples done by hand."""

from __future__ import annotations

import csv
import itertools
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from tests.support import model as m
from tests.support.cases import CASES, GOOD_UPDATE, Case, long_cases

KEYS = {"page_view": "PageViews/2017/a.json", "user_update": "UserUpdates/2017/a.csv"}
FIELDS = ("ts", "url", "environment", "user_id")
ESCAPED = ("utf-8", "surrogateescape")
ENDS = [b"", b"\n", b"\r\n", b"\n \n\r\n\t\n\v\f"]


def view(ts: str, url: str, user_id: Any = 7, environment: str = "production") -> bytes:
    """Return the line of a page view."""
    record = {"ts": ts, "url": url, "environment": environment, "user_id": user_id}
    return json.dumps(record).encode() + b"\n"


def update(at: str, user_id: int | str, email: str, name: str = "N", environment: str = "production") -> bytes:
    """Return the line of a user update."""
    return f'"{at}","{user_id}","{email}","{name}","{environment}"\n'.encode()


def utc(*parts: int) -> datetime:
    """Return an instant in UTC."""
    year, month, day, hour, minute, second, microsecond = (*parts, 0, 0, 0, 0)[:7]
    return datetime(year, month, day, hour, minute, second, microsecond, UTC)


def found(result: m.Model, key: str) -> str:
    """Return what became of the only line of an object."""
    counts = result.objects[key]
    assert counts.lines <= 1
    if counts.rejected:
        return result.rejects[0].reason
    names = ("counted", "anonymous", "other_environment")
    return next((name for name in names if getattr(counts, name)), "no_line")


VIEWS = view("2017-04-01T00:00:00", "/a") + view("2017-04-02T00:00:00", "/a")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_each_case_has_its_verdict_whatever_stands_around_its_line(case: Case) -> None:
    key = KEYS[case.kind]
    for end in ENDS:
        assert found(m.model({key: case.line + end}), key) == case.verdict, end
    result = m.model({key: m.BOM + b" \r\n" + case.line})
    assert found(result, key) == case.verdict
    assert all(reject.line_number == 2 for reject in result.rejects)


def test_lines_of_16_mib_are_judged_and_longer_ones_are_malformed() -> None:
    for case in long_cases():
        for end in (b"", b"\r\n"):
            assert found(m.model({KEYS[case.kind]: case.line + end}), KEYS[case.kind]) == case.verdict


def test_the_names_and_the_lines_of_the_cases_are_unique() -> None:
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES)
    assert len({(case.kind, case.line) for case in CASES}) == len(CASES)


def test_the_cases_cover_every_verdict_of_both_kinds() -> None:
    shared = {"not_utf8", "malformed", "bad_timestamp", "bad_user_id", "bad_text", "counted"}
    shared |= {"other_environment", "no_line"}
    verdicts = {kind: {case.verdict for case in CASES if case.kind == kind} for kind in KEYS}
    assert verdicts["user_update"] == shared
    assert verdicts["page_view"] == shared | {"missing_field", "bad_url", "anonymous"}


def mutations(lines: list[bytes], pieces: str, count: int) -> list[str]:
    """Return the lines that are UTF-8, and some of them with random pieces put in or cut out."""
    texts = [line.decode() for line in lines if not m.SURROGATE.search(line.decode(*ESCAPED))]
    rng, short = random.Random(0), [text for text in texts if len(text) < 400]
    for _ in range(count):
        text = rng.choice(short)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(pieces) * rng.randrange(3) + text[at + rng.randrange(3) :]
        texts.append(text)
    return texts


@pytest.mark.long
def test_json_is_read_as_duckdb_reads_each_line() -> None:
    lines = [case.line for case in CASES if case.kind == "page_view"]
    texts = [t.strip(m.WHITE) for t in mutations(lines, '{}[],:"\\ \t\v0-.eENanIiftud8', 20_000)]
    judged = duckdb.execute(
        "SELECT TRY(json_type(text)) = 'OBJECT', TRY(from_json(text, $fields)) FROM (SELECT unnest($texts) AS text)",
        {"texts": texts, "fields": json.dumps(dict.fromkeys(FIELDS, "JSON"))},
    ).fetchall()
    for text, (is_object, record) in zip(texts, judged, strict=True):
        members = m.parse_object(text)
        assert (members is not None) == bool(is_object), text
        for name in FIELDS if is_object else ():
            token, value = (members or {}).get(name, "null"), record[name]
            assert (token == "null") == (value is None), text
            if token.startswith('"'):
                assert json.loads(token) == json.loads(value), text


def read_by_pythons_csv(text: str) -> Iterator[tuple[int, list[str] | None]]:
    """Yield line number and fields (None: broken or too long) of each record."""
    *lines, last = (f"{line}\n" for line in text.split("\n"))
    lines, number = [*lines, last[:-1]], 0
    while number < len(lines):
        reader = csv.reader(lines[number : number + m.MOST_LINES], strict=True)
        fields, used = None, 1
        if lines[number].strip(m.WHITE):
            with suppress(csv.Error):
                fields, used = next(reader), reader.line_num
            yield number + 1, fields
        number += used


def test_csv_is_read_as_pythons_csv_reads_it() -> None:
    lines = [case.line for case in CASES if case.kind == "user_update" and b"\0" not in case.line]
    texts = mutations(lines, '"", \r\n\v\x1cab', 5_000)
    rng = random.Random(0)
    texts += ["".join(rng.choices('"",,\r\n\nab \v', k=rng.randrange(30))) for _ in range(20_000)]
    texts += ['a,"' + "x\n" * n + '",b\n"c\n","d\n' for n in (98, 99, 100, 101, 300)]
    for text in texts:
        ours = [(n, fields and list(fields)) for n, _, fields in m.split_csv(text)]
        assert ours == list(read_by_pythons_csv(text)), text


def test_the_contracts_examples_make_one_row() -> None:
    at, url = "2017-04-15T17:09:09", "/products/916/"
    updates = update("2017-04-01T00:00:42", 1572, "x@example.com", "Cheri")
    result = m.model({"UserUpdates/a": updates, "PageViews/a": view(at, url, 1572)})
    assert result.rows == {(1572, url): ("x@example.com", 1, utc(2017, 4, 15, 17, 9, 9))}
    assert result.page_views == result.user_updates == m.Counts(1, 1, 0, 0, 0, 0)
    assert result.rejects == []


def test_page_views_are_counted_by_user_and_url_and_the_last_is_kept() -> None:
    body = VIEWS + view("2017-04-01T12:00:00", "/b") + view("2017-03-01T00:00:00", "/a", "8")
    assert m.model({"PageViews/a": body}).rows == {
        (7, "/a"): (None, 2, utc(2017, 4, 2)),
        (7, "/b"): (None, 1, utc(2017, 4, 1, 12)),
        (8, "/a"): (None, 1, utc(2017, 3, 1)),
    }


def test_urls_that_differ_in_anything_are_different() -> None:
    urls = ["/a", "/A", "/a/", " /a", "/a?", "/%61", "/caf\u00e9", "/cafe\u0301"]
    result = m.model({"PageViews/a": b"".join(view("2017-04-01T00:00:00", url) for url in urls)})
    assert [url for _, url in result.rows] == urls


def test_duplicates_are_counted_in_an_object_and_across_objects_over_the_run_only() -> None:
    result = m.model({"PageViews/a": VIEWS + VIEWS + view("2017-04-01T00:00:00", "/a"), "PageViews/b": VIEWS})
    assert result.objects["PageViews/a"] == m.Counts(5, 2, 3, 0, 0, 0)
    assert result.objects["PageViews/b"] == m.Counts(2, 2, 0, 0, 0, 0)
    assert result.page_views == m.Counts(7, 2, 5, 0, 0, 0)
    assert result.rows == {(7, "/a"): (None, 2, utc(2017, 4, 2))}


def test_one_instant_and_one_user_written_in_many_ways_is_one_page_view() -> None:
    instants = ["2017-04-01T12:00:00", "2017-04-01 12:00:00Z", "2017-04-01T14:00:00+02:00"]
    instants += ["2017-04-01T12:00:00.0000009", "2017-03-31T12:01:00-23:59"]
    users = [7, "7", "007"]
    pairs = itertools.product(instants, users)
    result = m.model({"PageViews/a": b"".join(view(ts, "/a", user) for ts, user in pairs)})
    assert result.page_views == m.Counts(15, 1, 14, 0, 0, 0)
    assert result.rows == {(7, "/a"): (None, 1, utc(2017, 4, 1, 12))}


def test_minus_zero_is_zero() -> None:
    body = b"".join(view("2017-04-01T00:00:00", "/a", user) for user in ["0", "-0", 0])
    body += view("2017-04-01T00:00:00", "/a").replace(b" 7", b" -0")
    assert m.model({"PageViews/a": body}).rows == {(0, "/a"): (None, 1, utc(2017, 4, 1))}


def test_a_fraction_is_cut_to_microseconds_and_page_views_a_microsecond_apart_are_two() -> None:
    views = [("00.9999999Z", "/a"), ("00.999998", "/a"), ("00.5", "/b")]
    result = m.model({"PageViews/a": b"".join(view(f"2017-04-01T00:00:{second}", url) for second, url in views)})
    assert [(count, at.microsecond) for _, count, at in result.rows.values()] == [(2, 999_999), (1, 500_000)]


DAY_1, DAY_2, DAY_3 = (f"2017-04-0{day}T00:00:00" for day in (1, 2, 3))
EMAILS = ["B", "a", "Z", "\u00e9", "z", "\uffee", "\U0001f600", "\U0001f5ff"]


@pytest.mark.parametrize(
    ("updates", "email"),
    [
        pytest.param([update(DAY_3, 7, "a"), update(DAY_1, 7, "z"), update(DAY_2, "007", "m")], "a", id="the last"),
        pytest.param([update("2017-04-01T00:30:00+01:00", 7, "e"), update(f"{DAY_1}Z", 7, "l")], "l", id="in UTC"),
        pytest.param([b"".join(update(DAY_1, 7, email) for email in EMAILS)], "\U0001f600", id="by code point"),
        pytest.param([update(DAY_1, 7, email) for email in EMAILS[:3]], "a", id="in ASCII"),
        pytest.param([update(DAY_1, 7, "a", "A"), update(DAY_1, 7, "", "Z")], "a", id="empty of one instant"),
        pytest.param([update(DAY_1, 7, "a"), update(DAY_2, 7, "")], None, id="a last empty one"),
        pytest.param([update(DAY_1, 7, " ")], " ", id="a space"),
        pytest.param([update(DAY_1, 8, "a")], None, id="of another user, who has no row"),
        pytest.param([update(DAY_1, 7, "a"), update(DAY_2, 7, "b\x00")], "a", id="rejected"),
    ],
)
def test_the_email_is_that_of_the_greatest_update_in_whatever_order_they_arrive(
    updates: list[bytes], email: str | None
) -> None:
    for order in itertools.permutations(updates):
        result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": b"".join(order)})
        assert result.rows == {(7, "/a"): (email, 2, utc(2017, 4, 2))}
        counts, lines = result.user_updates, b"".join(updates).count(b"\n")
        assert (counts.lines, counts.counted + counts.rejected, counts.duplicates) == (lines, lines, 0)


def test_updates_are_duplicates_when_equal_in_every_field() -> None:
    body = update("2017-04-01T00:00:00", 7, "a") + update("2017-04-01 01:00:00+01:00", "007", "a")
    body += update("2017-04-01T00:00:00", 7, "a", "other") + update("2017-04-01T00:00:00", 8, "a")
    result = m.model({"UserUpdates/a": body, "UserUpdates/b": body})
    assert result.objects["UserUpdates/a"] == m.Counts(4, 3, 1, 0, 0, 0)
    assert result.user_updates == m.Counts(8, 3, 5, 0, 0, 0)


def test_updates_of_another_environment_give_no_email() -> None:
    body = update("2017-04-01T00:00:00", 7, "a")
    body += update("2017-05-01T00:00:00", 7, "b", environment="staging") * 2
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body})
    assert result.rows[7, "/a"][0] == "a"
    assert result.user_updates == m.Counts(3, 1, 0, 2, 0, 0)
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body}, log_environment="staging")
    assert result.rows == {}
    assert result.user_updates == m.Counts(3, 1, 1, 1, 0, 0)


def test_page_views_of_nobody_and_of_another_environment_are_in_no_row_and_are_no_duplicates() -> None:
    body = b"".join(view("2017-04-01T00:00:00", "/a", user) for user in (None, "", None, "", 7))
    body += view("2017-04-01T00:00:00", "/a", None, "staging") + view(DAY_1, "/a", environment="staging") * 3
    result = m.model({"PageViews/a": body, "PageViews/b": body})
    assert result.objects["PageViews/a"] == m.Counts(9, 1, 0, 4, 4, 0)
    assert result.page_views == m.Counts(18, 1, 1, 8, 8, 0)
    assert result.rows == {(7, "/a"): (None, 1, utc(2017, 4, 1))}


def test_the_table_is_the_same_however_the_lines_lie_in_objects() -> None:
    rng = random.Random(0)
    days = [f"2017-04-0{day}T00:00:00" for day in range(1, 8)]
    views = [view(rng.choice(days), rng.choice("abc"), rng.choice([7, "7", 8])) for _ in range(60)]
    updates = [update(rng.choice(days), rng.choice("789"), rng.choice("ab")) for _ in range(60)]
    whole = m.model({"PageViews/a": b"".join(views), "UserUpdates/a": b"".join(updates)})
    for _ in range(10):
        objects: dict[str, bytes] = {}
        for kind, lines in (("PageViews", views), ("UserUpdates", updates)):
            for line in rng.sample(lines, len(lines)):
                key = f"{kind}/{rng.randrange(5)}"
                objects[key] = objects.get(key, b"") + line
        split = m.model(objects)
        assert split.rows == whole.rows
        assert (split.page_views, split.user_updates) == (whole.page_views, whole.user_updates)


LOGS = (
    "PageViews/a PageViews/2017/04/a.json.gz PageViews/a.parquet PageViews//a PageViews/_x/.y/a "
    "PageViews/a.GZ PageViews/a_b. PageViews/\u00e9 UserUpdates/a UserUpdates/PageViews/a.csv.zst"
)
OTHERS = (
    "PageViews/ PageViews/2017/ PageViews/.a PageViews/2017/_SUCCESS PageViews/_ PageViews "
    "pageviews/a x/PageViews/a /PageViews/a PageViewsOld/a a UserUpdates/.DS_Store "
    "UserUpdates/2017/.gz Other/a"
)


@pytest.mark.parametrize("key", [*LOGS.split(), "PageViews/ "])
def test_an_object_under_a_prefix_is_a_log(key: str) -> None:
    assert m.model({key: b""}).objects == {key: m.Counts(0, 0, 0, 0, 0, 0)}


@pytest.mark.parametrize("key", [*OTHERS.split(), ""])
def test_another_object_is_no_log(key: str) -> None:
    result = m.model({key: b"\xff not a log"})
    assert (result.objects, result.rejects) == ({}, [])


BLANK = [b"", b"\n", m.BOM, m.BOM + b"\r\n", b"\r\n \n\t\n\r\r\n\v\n\f\n  \r"]


@pytest.mark.parametrize("key", [*KEYS.values(), "PageViews/a.gz", "PageViews/a.zst"])
def test_an_object_of_no_bytes_or_blank_lines_holds_no_lines(key: str) -> None:
    for body in BLANK if key in KEYS.values() else (b"",):
        assert m.model({key: body}).objects == {key: m.Counts(0, 0, 0, 0, 0, 0)}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_only_one_bom_at_the_very_start_is_dropped(key: str) -> None:
    good = VIEWS[: len(VIEWS) // 2] if "Page" in key else update("2017-04-01 00:00:00", 7, "a")
    for body, counted in ((m.BOM + good, 1), (m.BOM * 2 + good, 0), (b"\n" + m.BOM + good, 0)):
        counts = m.model({key: body}).objects[key]
        assert (counts.lines, counts.counted, counts.rejected) == (1, counted, 1 - counted)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\n \t\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n"])
def test_line_ends_and_a_missing_last_newline_change_nothing(end: bytes, last: bytes) -> None:
    updates = update("2017-04-01T00:00:00", 7, "a") + update("2017-04-02T00:00:00", 7, "b")
    bodies = [body.rstrip().replace(b"\n", end) + last for body in (VIEWS, updates)]
    result = m.model({"PageViews/a": bodies[0], "UserUpdates/a": bodies[1]})
    assert result.rows == {(7, "/a"): ("b", 2, utc(2017, 4, 2))}
    assert result.page_views == result.user_updates == m.Counts(2, 2, 0, 0, 0, 0)


def test_a_lone_cr_ends_no_line() -> None:
    assert m.page_view_lines("a\rb\r\r\nc\r") == [(1, "a\rb\r"), (2, "c\r")]
    assert m.split_csv('"a\rb",c\r\r\nd\re\r\nf\r') == [
        (1, '"a\rb",c\r', ("a\rb", "c")),
        (2, "d\re", None),
        (3, "f\r", ("f",)),
    ]


def test_header_rows_are_skipped_anywhere_and_are_no_lines() -> None:
    row = update("2017-04-01T00:00:00", 7, "a")
    header = b"updated_at,user_id,email,name,environment\r\n"
    quoted = b'"updated_at","user_id","email","name","environment"\n'
    result = m.model({"UserUpdates/a": m.BOM + header + row + quoted + row + header + b"x"})
    assert result.user_updates == m.Counts(3, 1, 1, 0, 0, 1)
    assert [(r.line_number, r.reason, r.line) for r in result.rejects] == [(6, "malformed", "x")]


def test_csv_fields_are_split_by_rfc_4180() -> None:
    assert m.split_csv('a,"b","c,d","e""f","g\nh"\n,"",\r\n"i\r\nj"\n"",k"l""\n "m"') == [
        (1, 'a,"b","c,d","e""f","g\nh"', ("a", "b", "c,d", 'e"f', "g\nh")),
        (3, ',"",', ("", "", "")),
        (4, '"i\r\nj"', ("i\r\nj",)),
        (6, '"",k"l""', ("", 'k"l""')),
        (7, ' "m"', (' "m"',)),
    ]


def test_the_line_number_of_a_record_is_that_on_which_it_starts() -> None:
    good = b'"2017-04-01T00:00:00",7,a,"two\nlines",production\r\n'
    bad = b'never,7,a,"three\r\n\r\nlines",production\n'
    result = m.model({"UserUpdates/a": b"\n" + good + b" \n" + bad + good + bad.rstrip()})
    assert result.user_updates == m.Counts(4, 1, 1, 0, 0, 2)
    line = 'never,7,a,"three\r\n\r\nlines",production'
    assert result.rejects == [
        m.Reject("UserUpdates/a", 5, "bad_timestamp", line),
        m.Reject("UserUpdates/a", 10, "bad_timestamp", line),
    ]


def test_a_bad_quote_costs_one_physical_line() -> None:
    good = update("2017-04-01T00:00:00", 7, "a")
    opened = b'"2017-04-01T00:00:00","7","never closed,b,production\r\n'
    body = opened + good + b'a,"b"c\n' + good + b'"a" ,"b\n' + b'\xff,"b\n' + good + b'"'
    result = m.model({"UserUpdates/a": body})
    assert result.user_updates == m.Counts(8, 1, 2, 0, 0, 5)
    assert [(r.line_number, r.reason, r.line) for r in result.rejects] == [
        *((1, "malformed", opened.decode().rstrip()), (3, "malformed", 'a,"b"c'), (5, "malformed", '"a" ,"b')),
        *((6, "not_utf8", '\ufffd,"b'), (8, "malformed", '"')),
    ]


def test_a_record_that_is_too_long_costs_one_physical_line() -> None:
    good = update("2017-04-01T00:00:00", 7, "a")
    for lines, counts in ((100, m.Counts(2, 2, 0, 0, 0, 0)), (101, m.Counts(102, 1, 0, 0, 0, 101))):
        body = GOOD_UPDATE.replace(b"Honey", b"\nx" * (lines - 1)) + b"\n" + good
        assert m.model({"UserUpdates/a": body}).user_updates == counts
    field = GOOD_UPDATE.replace(b"Honey", b"\n" + b"x" * 131_073) + b"\r\n" + good
    assert [(r.line_number, r.reason) for r in m.model({"UserUpdates/a": field}).rejects] == [
        (1, "malformed"),
        (2, "malformed"),
    ]
    for size, numbers in ((m.MOST_BYTES, [1]), (m.MOST_BYTES + 1, [1, 2])):
        body = b"x".ljust(100_000).join([b","] * 168) + b'"\n'
        body += b"x" * (size - len(body) - 1) + b'"\r\n' + good
        rejects = m.model({"UserUpdates/a": body}).rejects
        assert [reject.line_number for reject in rejects] == numbers


def test_a_record_of_the_wrong_number_of_fields_is_rejected_whole() -> None:
    good = update("2017-04-01T00:00:00", 7, "a")
    body = b'a,"\n' + good.replace(b'"', b"") + b'",b\n' + good
    result = m.model({"UserUpdates/a": body})
    assert result.user_updates == m.Counts(2, 1, 0, 0, 0, 1)
    assert result.rejects[0].line == body[: -len(good) - 1].decode()


def test_blank_lines_within_quotes_are_data_and_lines_for_the_numbers() -> None:
    body = b'2017-04-01T00:00:00,7,"\n \n\r\n",b,production\nx\n'
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body})
    assert result.rows[7, "/a"][0] == "\n \n\r\n"
    assert result.rejects == [m.Reject("UserUpdates/a", 5, "malformed", "x")]


def test_a_rejected_line_is_kept_to_1000_characters_without_its_end() -> None:
    body = "\u20ac" * 1001 + "\r\n" + "\U0001f600" * 1000 + "\r\r\n" + "x\x00y\n"
    for key in ("PageViews/a", "UserUpdates/a"):
        lines = [reject.line for reject in m.model({key: body.encode()}).rejects]
        assert lines == ["\u20ac" * 1000, "\U0001f600" * 1000, "x\ufffdy"]
        assert m.model({key: b"\xff\xe2\x82a\n"}).rejects[0].line == "\ufffd\ufffda"


def test_rejects_are_all_there_by_key_and_line_number() -> None:
    keys = ["UserUpdates/b", "PageViews/b", "PageViews/a"]
    rejects = m.model(dict.fromkeys(keys, b"x\n\ny\n" * 1500)).rejects
    places = [(reject.object_key, reject.line_number) for reject in rejects]
    assert len(places) == 9000
    assert places == sorted(places)
    assert places[:3] == [("PageViews/a", 1), ("PageViews/a", 3), ("PageViews/a", 4)]


def test_counts_that_do_not_add_up_are_refused() -> None:
    m.Counts(15, 1, 2, 3, 4, 5).check()
    with pytest.raises(AssertionError):
        m.Counts(15, 1, 2, 3, 4, 6).check()
