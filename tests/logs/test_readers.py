"""The readers against the plain model, on objects put together from good and broken pieces."""

import gzip
import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest
import zstandard

from flows.errors import LogsError
from flows.logs import streams
from flows.logs.duck import DuckSettings
from flows.logs.extract import extract
from flows.logs.objects import LogObject, fingerprint, is_log, pack
from flows.logs.timestamps import read_timestamp
from tests.support.cases import CASES
from tests.support.model import Model, model
from tests.support.readers import Rejects, extract_bodies

PREFIX = {"page_views": "PageViews/", "user_updates": "UserUpdates/"}
# Longer cases would take all the time, and are tested one by one elsewhere.
LINES = {
    kind: [case.line for case in CASES if f"{case.kind}s" == kind and len(case.line) < 400]
    for kind in PREFIX
}
GLUE = [b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\r", b"", b" \t\r\n", b'"', b",", b"\n\r\n"]
DEBRIS = [
    *[
        b'"',
        b'""',
        b",",
        b"\r",
        b"\n",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"{",
        b"}",
    ],
    *[b"\\", b"\\ud800", b"\\u0074", b"NaN", b"[", b"]", b":", b"null", b"9" * 25, b"-0", b"1e3"],
    *[b"1970-01-01T00:00:00", b"9999-12-31 23:59:59.9999999", b"+23:59", b"Z", b".5", b"\xc2\xa0"],
]


def body(random: Random, kind: str) -> bytes:
    """An object of some cases, some of them mutilated, glued together."""
    parts = [b"\xef\xbb\xbf"] if random.random() < 0.1 else []
    for _ in range(random.randrange(7)):
        line = random.choice(LINES[kind])
        while random.random() < 0.3:
            at = random.randrange(len(line) + 1)
            cut = at + random.choice((0, 0, 1, 3))
            line = line[:at] + random.choice(DEBRIS) + line[cut:]
        parts += [line, random.choice(GLUE)]
    return b"".join(parts)


def assert_same(kind: str, bodies: dict[str, bytes]) -> None:
    expected: Model = model(bodies)
    wanted: dict[str, Rejects] = {key: [] for key in bodies}
    for one in expected.rejects:
        wanted[one.object_key].append((one.line_number, one.reason, one.line))
    for key, (counts, rejects) in extract_bodies(kind, bodies).items():
        theirs = expected.objects[key]
        assert (
            counts.lines,
            counts.counted,
            counts.duplicates,
            counts.other_environment,
            counts.anonymous,
            counts.rejected,
        ) == (
            theirs.lines,
            theirs.counted,
            theirs.duplicates,
            theirs.other_environment,
            theirs.anonymous,
            theirs.rejected,
        ), bodies[key]
        assert rejects == sorted(wanted[key]), bodies[key]


def fuzz(seed: int, objects: int) -> None:
    random = Random(seed)
    for kind, prefix in PREFIX.items():
        assert_same(kind, {f"{prefix}{n:06}": body(random, kind) for n in range(objects)})


@pytest.mark.parametrize("seed", range(10))
def test_objects_of_good_and_broken_pieces_are_read_as_the_model_reads_them(seed: int) -> None:
    fuzz(seed, 300)


@pytest.mark.long
@pytest.mark.timeout(1_500)
def test_a_hundred_thousand_more_objects_are_read_as_the_model_reads_them() -> None:
    for seed in range(1_000, 1_100):
        fuzz(seed, 500)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_where_blocks_end_does_not_show(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BLOCK_BYTES", size)
    fuzz(size, 60)


COMPRESS = {".gz": lambda data: gzip.compress(data, mtime=0), ".zst": zstandard.compress}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_object_cut_anywhere_is_an_error_that_names_it(suffix: str) -> None:
    plain = b'{"ts": "2017-04-15T17:09:09"}\n' * 3
    whole = COMPRESS[suffix](plain)
    assert b"".join(streams.decompressed(io.BytesIO(whole), f"x{suffix}")) == plain
    for end in range(1, len(whole)):
        with pytest.raises(LogsError, match=f"'x{suffix}'"):
            list(streams.decompressed(io.BytesIO(whole[:end]), f"x{suffix}"))
    with pytest.raises(LogsError, match=f"'x{suffix}'"):
        list(streams.decompressed(io.BytesIO(whole + b"behind it"), f"x{suffix}"))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_members_and_frames_follow_each_other(suffix: str) -> None:
    members = b"".join(COMPRESS[suffix](part) for part in (b"one\n", b"", b"two\n"))
    assert b"".join(streams.decompressed(io.BytesIO(members), f"x{suffix}")) == b"one\ntwo\n"


def test_equal_objects_give_equal_files_byte_for_byte(tmp_path: Path) -> None:
    random = Random(7)
    data = b"\n".join(random.choice(LINES["page_views"]) for _ in range(5_000))

    @contextmanager
    def opened(_: LogObject) -> Iterator[BinaryIO]:
        yield io.BytesIO(data)

    found = set()
    for threads in (1, 2, 2):
        folder = tmp_path / f"{threads}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        item = LogObject("page_views", "PageViews/x", "etag", len(data))
        done = extract([item], opened, "production", folder, DuckSettings(threads=threads))
        assert done.rejects is not None
        found.add((done.events.read_bytes(), done.rejects.read_bytes()))
    assert len(found) == 1


def test_packing_keeps_every_object_once_and_within_the_limits() -> None:
    random = Random(3)
    objects = [
        LogObject(random.choice(["page_views", "user_updates"]), f"k{n}", "e", random.randrange(90))
        for n in range(500)
    ]
    groups = list(pack(objects, most_bytes=100, most_objects=7))
    assert sorted(itertools.chain.from_iterable(groups)) == sorted(objects)
    for group in groups:
        assert len({item.kind for item in group}) == 1
        assert len(group) <= 7
        assert len(group) == 1 or sum(item.size for item in group) <= 100


def test_a_fingerprint_knows_no_order_and_sees_every_version() -> None:
    first, second = LogObject("page_views", "a", "1", 0), LogObject("page_views", "b", "1", 0)
    assert fingerprint([first, second]) == fingerprint([second, first])
    changed = LogObject("page_views", "b", "2", 0)
    assert fingerprint([first, second]) != fingerprint([first, changed])


def test_folders_and_hidden_objects_are_no_logs() -> None:
    keys = ("PageViews/", "PageViews/a/", "PageViews/_SUCCESS", "PageViews/a/.x", "PageViews/.gz")
    assert not any(map(is_log, keys))
    assert all(map(is_log, ("PageViews/a", "PageViews/_a/b", "PageViews/.a/b", "PageViews/ ")))


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01 00:00:00.0000019Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1970-01-01T00:00:00+00:01", None),
        ("9999-12-31T23:59:59.999999", 253_402_300_799_999_999),
        ("9999-12-31T23:59:59-00:01", None),
        ("0000-01-01T00:00:00", None),
        ("2017-02-29T00:00:00", None),
        ("2017-01-01T24:00:00", None),
        ("2017-01-01T00:00:60", None),
        ("2017-01-01T00:00:00+24:00", None),
        ("2017-01-01t00:00:00", None),
        ("2017-01-01T00:00:00z", None),
        ("2017-01-01T00:00:00.", None),
        ("2017-01-01T00:00", None),
    ],
)
def test_a_timestamp_is_an_instant_or_nothing(text: str, microseconds: int | None) -> None:
    assert read_timestamp(text) == microseconds
