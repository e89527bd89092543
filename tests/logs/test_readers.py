"""Streams, the files of an extract, and how objects are packed and named."""

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
from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.logs.extract import Extractor
from flows.logs.objects import LogObject, fingerprint, is_log, pack
from flows.logs.timestamps import read_timestamp
from tests.support.grammar import LINES

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
    for name in ("one", "other", "another"):
        folder = tmp_path / name
        folder.mkdir()
        item = LogObject("page_views", "PageViews/x", "etag", len(data))
        with duck(DuckSettings(threads=1)) as connection:
            done = Extractor(connection, "production", folder).extract([item], opened)
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
