"""The model of the logs, checked against the table of reasons and small examples done by hand."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
import zstandard

from tests.support import model as m
from tests.support.cases import CASES, Case

KEYS = {"page_view": "PageViews/2017/a.json", "user_update": "UserUpdates/2017/a.csv"}
ENDS = {"nothing": b"", "a newline": b"\n", "CRLF": b"\r\n", "blank lines": b"\n \n\r\n\t"}


def view(ts: str, url: str, user_id: Any = 7, environment: str = "production") -> bytes:
    """Return the line of a page view."""
    record = {"ts": ts, "url": url, "environment": environment, "user_id": user_id}
    return json.dumps(record).encode() + b"\n"


def update(
    at: str, user_id: int | str, email: str, name: str = "N", environment: str = "production"
) -> bytes:
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


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_each_case_has_its_verdict_whatever_follows_its_line(case: Case, end: bytes) -> None:
    key = KEYS[case.kind]
    assert found(m.model({key: case.line + end}), key) == case.verdict


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_each_case_has_its_verdict_after_a_bom_and_a_blank_line(case: Case) -> None:
    key = KEYS[case.kind]
    result = m.model({key: m.BOM + b" \r\n" + case.line})
    assert found(result, key) == case.verdict
    assert all(reject.line_number == 2 for reject in result.rejects)


def test_the_names_and_the_lines_of_the_cases_are_unique() -> None:
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES)
    assert len({(case.kind, case.line) for case in CASES}) == len(CASES)


def test_the_cases_cover_every_verdict_of_both_kinds() -> None:
    shared = {"not_utf8", "malformed", "bad_timestamp", "bad_user_id", "bad_text", "counted"}
    shared |= {"other_environment", "no_line"}
    verdicts = {kind: {case.verdict for case in CASES if case.kind == kind} for kind in KEYS}
    assert verdicts["user_update"] == shared
    assert verdicts["page_view"] == shared | {"missing_field", "bad_url", "anonymous"}


def test_the_json_reader_agrees_with_the_standard_librarys() -> None:
    def refuse(text: str) -> None:
        raise ValueError(text)

    for case in CASES:
        try:
            text = case.line.decode()
            expected: Any = json.loads(text, parse_constant=refuse, parse_int=str, parse_float=str)
        except RecursionError:
            continue
        except ValueError:
            expected = None
        if not isinstance(expected, dict):
            expected = None
        actual = m.parse_object(text) if case.verdict != "not_utf8" else expected
        assert (actual is None) == (expected is None), case.name
        assert actual is None or list(actual) == list(expected), case.name


def test_the_contracts_examples_make_one_row() -> None:
    result = m.model(
        {
            "UserUpdates/a": b'"2017-04-01T00:00:42","1572","x@example.com","Cheri","production"\n',
            "PageViews/a": b'{"ts": "2017-04-15T17:09:09", "url": "/products/916/", '
            b'"environment": "production", "user_id": 1572}\n',
        }
    )
    assert result.rows == {
        (1572, "/products/916/"): ("x@example.com", 1, utc(2017, 4, 15, 17, 9, 9))
    }
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


def test_duplicates_within_an_object_are_counted_in_it() -> None:
    result = m.model({"PageViews/a": VIEWS + VIEWS + view("2017-04-01T00:00:00", "/a")})
    assert result.objects["PageViews/a"] == m.Counts(5, 2, 3, 0, 0, 0)
    assert result.page_views == m.Counts(5, 2, 3, 0, 0, 0)
    assert result.rows == {(7, "/a"): (None, 2, utc(2017, 4, 2))}


def test_duplicates_across_objects_are_counted_over_the_run_only() -> None:
    result = m.model({"PageViews/a": VIEWS, "PageViews/b": VIEWS})
    assert result.objects["PageViews/a"] == m.Counts(2, 2, 0, 0, 0, 0)
    assert result.objects["PageViews/b"] == m.Counts(2, 2, 0, 0, 0, 0)
    assert result.page_views == m.Counts(4, 2, 2, 0, 0, 0)
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


def test_a_fraction_is_cut_to_microseconds_not_rounded() -> None:
    body = view("2017-04-01T00:00:00.9999999Z", "/a") + view("2017-04-01T00:00:00.5", "/b")
    assert [row[2].microsecond for row in m.model({"PageViews/a": body}).rows.values()] == [
        999_999,
        500_000,
    ]


def test_page_views_a_microsecond_apart_are_two() -> None:
    body = view("2017-04-01T00:00:00.000001", "/a") + view("2017-04-01T00:00:00.000002", "/a")
    assert m.model({"PageViews/a": body}).page_views.counted == 2


def test_a_late_email_wins_in_whatever_order_the_updates_arrive() -> None:
    updates = [
        update("2017-04-03T00:00:00", 7, "a@example.com"),
        update("2017-04-01T00:00:00", 7, "z@example.com"),
        update("2017-04-02T00:00:00", "007", "m@example.com"),
    ]
    for order in itertools.permutations(updates):
        result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": b"".join(order)})
        assert result.rows == {(7, "/a"): ("a@example.com", 2, utc(2017, 4, 2))}


def test_the_later_instant_is_found_in_utc() -> None:
    body = update("2017-04-01T00:30:00+01:00", 7, "early") + update("2017-04-01T00:00:00Z", 7, "l")
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body})
    assert result.rows[7, "/a"][0] == "l"


def test_of_emails_of_one_instant_the_greatest_by_code_point_wins() -> None:
    at = "2017-04-01T00:00:00"
    emails = ["B", "a", "Z", "\u00e9", "z", "\uffee", "\U0001f600", "\U0001f5ff"]
    body = b"".join(update(at, 7, email) for email in emails)
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body})
    assert result.rows[7, "/a"][0] == "\U0001f600"
    body = b"".join(update(at, 7, email) for email in emails[:3])
    assert m.model({"PageViews/a": VIEWS, "UserUpdates/a": body}).rows[7, "/a"][0] == "a"


def test_of_one_instant_any_email_wins_over_an_empty_one_whatever_the_names() -> None:
    at = "2017-04-01T00:00:00"
    body = update(at, 7, "a", "A") + update(at, 7, "", "Z")
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body})
    assert result.rows[7, "/a"][0] == "a"
    assert result.user_updates == m.Counts(2, 2, 0, 0, 0, 0)


def test_a_last_empty_email_is_no_email() -> None:
    body = update("2017-04-01T00:00:00", 7, "a") + update("2017-04-02T00:00:00", 7, "")
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body})
    assert result.rows == {(7, "/a"): (None, 2, utc(2017, 4, 2))}


def test_an_email_of_a_space_is_an_email() -> None:
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": update("2017-04-01 00:00:00", 7, " ")})
    assert result.rows[7, "/a"][0] == " "


def test_a_user_without_an_update_has_no_email_and_one_without_a_view_has_no_row() -> None:
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": update("2017-04-01 00:00:00", 8, "a")})
    assert result.rows == {(7, "/a"): (None, 2, utc(2017, 4, 2))}


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


def test_rejected_updates_give_no_email() -> None:
    body = update("2017-04-01T00:00:00", 7, "a") + update("2017-05-01T00:00:00", 7, "b\x00")
    result = m.model({"PageViews/a": VIEWS, "UserUpdates/a": body})
    assert result.rows[7, "/a"][0] == "a"


def test_anonymous_page_views_are_in_nobodys_row_and_are_no_duplicates() -> None:
    body = b"".join(view("2017-04-01T00:00:00", "/a", user) for user in (None, "", None, "", 7))
    body += view("2017-04-01T00:00:00", "/a", None, "staging")
    result = m.model({"PageViews/a": body, "PageViews/b": body})
    assert result.objects["PageViews/a"] == m.Counts(6, 1, 0, 1, 4, 0)
    assert result.page_views == m.Counts(12, 1, 1, 2, 8, 0)
    assert result.rows == {(7, "/a"): (None, 1, utc(2017, 4, 1))}


def test_page_views_of_another_environment_are_no_duplicates() -> None:
    body = view("2017-04-01T00:00:00", "/a", environment="staging") * 3
    result = m.model({"PageViews/a": body + VIEWS})
    assert result.page_views == m.Counts(5, 2, 0, 3, 0, 0)


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


@pytest.mark.parametrize(
    "key",
    [
        *("PageViews/a", "PageViews/2017/04/a.json.gz", "PageViews/a.parquet", "PageViews//a"),
        *("PageViews/_x/.y/a", "PageViews/a.GZ", "PageViews/a_b.", "PageViews/ "),
        *("PageViews/\u00e9", "UserUpdates/a", "UserUpdates/PageViews/a.csv.zst"),
    ],
)
def test_an_object_under_a_prefix_is_a_log(key: str) -> None:
    assert m.model({key: b""}).objects == {key: m.Counts(0, 0, 0, 0, 0, 0)}


@pytest.mark.parametrize(
    "key",
    [
        *(
            "PageViews/",
            "PageViews/2017/",
            "PageViews/.a",
            "PageViews/2017/_SUCCESS",
            "PageViews/_",
        ),
        *("PageViews", "pageviews/a", "x/PageViews/a", "/PageViews/a", "PageViewsOld/a", "a", ""),
        *("UserUpdates/.DS_Store", "UserUpdates/2017/.gz", "Other/a"),
    ],
)
def test_another_object_is_no_log(key: str) -> None:
    result = m.model({key: b"\xff not a log"})
    assert result.objects == {}
    assert result.rejects == []


def test_gzip_of_many_members_is_read_to_its_end() -> None:
    first, second = VIEWS[:40], VIEWS[40:]
    body = gzip.compress(first) + gzip.compress(b"") + gzip.compress(second)
    for padding in (b"", b"\x00" * 512):
        result = m.model({"PageViews/a.json.gz": body + padding})
        assert result.rows == {(7, "/a"): (None, 2, utc(2017, 4, 2))}


def test_zstandard_of_many_frames_is_read_to_its_end() -> None:
    compress = zstandard.ZstdCompressor(write_checksum=True).compress
    body = compress(VIEWS[:40]) + compress(b"") + compress(VIEWS[40:])
    result = m.model({"PageViews/a.json.zst": body})
    assert result.rows == {(7, "/a"): (None, 2, utc(2017, 4, 2))}


def test_a_bom_within_a_compressed_object_is_dropped() -> None:
    body = m.BOM + VIEWS
    objects = {"PageViews/a.gz": gzip.compress(body), "PageViews/b.zst": zstandard.compress(body)}
    assert m.model(objects).page_views == m.Counts(4, 2, 2, 0, 0, 0)


@pytest.mark.parametrize("key", ["PageViews/a.gz", "PageViews/a.zst", "PageViews/a"])
def test_an_object_of_no_bytes_holds_no_lines(key: str) -> None:
    assert m.model({key: b""}).objects == {key: m.Counts(0, 0, 0, 0, 0, 0)}


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_an_object_cut_short_anywhere_is_an_error_that_names_it(suffix: str) -> None:
    checked = zstandard.ZstdCompressor(write_checksum=True)
    body = gzip.compress(VIEWS) if suffix == ".gz" else checked.compress(VIEWS)
    key = f"PageViews/2017/cut{suffix}"
    for length in range(1, len(body)):
        for start in (b"", body):
            with pytest.raises(ValueError, match=f"PageViews/2017/cut{suffix}"):
                m.model({key: start + body[:length]})


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_an_object_that_is_not_compressed_or_is_corrupt_is_an_error(suffix: str) -> None:
    checked = zstandard.ZstdCompressor(write_checksum=True)
    body = gzip.compress(VIEWS) if suffix == ".gz" else checked.compress(VIEWS)
    corrupt = body[:-6] + bytes([body[-6] ^ 1]) + body[-5:]
    for bad in (VIEWS, body + b"trailing", corrupt, b"\x00" * 10):
        with pytest.raises(ValueError, match="UserUpdates/bad"):
            m.model({f"UserUpdates/bad{suffix}": bad})


def test_a_suffix_in_capitals_is_no_suffix() -> None:
    result = m.model({"PageViews/a.GZ": VIEWS, "PageViews/b.gz.json": VIEWS})
    assert result.page_views == m.Counts(4, 2, 2, 0, 0, 0)


@pytest.mark.parametrize("body", [b"", b"\n", m.BOM, m.BOM + b"\r\n", b"\r\n \n\t\n\r\r\n  \r"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_object_of_blank_lines_holds_no_lines(key: str, body: bytes) -> None:
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
    assert m.page_view_lines(b"a\rb\r\r\nc\r") == [(1, b"a\rb\r"), (2, b"c\r")]
    records = m.split_csv(b"a\rb,c\r\r\nd\r")
    assert records == [(1, b"a\rb,c\r", (b"a\rb", b"c\r")), (2, b"d\r", (b"d\r",))]


def test_header_rows_are_skipped_anywhere_and_are_no_lines() -> None:
    row = update("2017-04-01T00:00:00", 7, "a")
    header = b"updated_at,user_id,email,name,environment\r\n"
    quoted = b'"updated_at","user_id","email","name","environment"\n'
    result = m.model({"UserUpdates/a": m.BOM + header + row + quoted + row + header + b"x"})
    assert result.user_updates == m.Counts(3, 1, 1, 0, 0, 1)
    assert [(r.line_number, r.reason, r.line) for r in result.rejects] == [(6, "malformed", "x")]


def test_csv_fields_are_split_by_rfc_4180() -> None:
    body = b'a,"b","c,d","e""f","g\nh"\n,"",\r\n"i\r\nj"\n"",k'
    assert m.split_csv(body) == [
        (1, b'a,"b","c,d","e""f","g\nh"', (b"a", b"b", b"c,d", b'e"f', b"g\nh")),
        (3, b',"",', (b"", b"", b"")),
        (4, b'"i\r\nj"', (b"i\r\nj",)),
        (6, b'"",k', (b"", b"k")),
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
    body = opened + good + b'a,b"c\n' + good + b'"a" ,"b\n' + b'\xff,b"\n' + good + b'"'
    result = m.model({"UserUpdates/a": body})
    assert result.user_updates == m.Counts(8, 1, 2, 0, 0, 5)
    assert [(r.line_number, r.reason, r.line) for r in result.rejects] == [
        (1, "malformed", opened.decode().rstrip()),
        (3, "malformed", 'a,b"c'),
        (5, "malformed", '"a" ,"b'),
        (6, "not_utf8", '\ufffd,b"'),
        (8, "malformed", '"'),
    ]


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
