"""Compressed objects: read to their end, every member and frame, with or without a BOM."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable
from random import Random

import pytest
import zstandard

from flows.errors import LogsError
from flows.logs.decompress import READ_BYTES, compression_of, decompressed

BOM = b"\xef\xbb\xbf"
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "": lambda data: data,
}
COMPRESSED = ["gzip", "zstd"]


def plain(body: bytes, compression: str) -> bytes:
    return b"".join(decompressed(io.BytesIO(body), "PageViews/x", compression))


@pytest.mark.parametrize("compression", COMPRESSED)
def test_an_object_that_is_cut_anywhere_or_damaged_is_an_error_that_names_it(compression: str) -> None:
    text = b'{"ts": "2017-04-15T17:09:09"}\n' * 3
    whole = COMPRESS[compression](text)
    assert plain(whole, compression) == text
    cut = [start + whole[:end] for start in (b"", whole) for end in range(1, len(whole))]
    wrong_sum = whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:]
    overwritten = whole[:20] + b"\xff" * 20 + whole[40:]
    for damaged in (*cut, text, b"\0" * 10, whole + b"behind it", wrong_sum, overwritten):
        with pytest.raises(LogsError, match="'PageViews/x' cannot be decompressed to its end"):
            plain(damaged, compression)


TEXT = b'{"ts": "2017-04-15T17:09:09"}\n' * 3
GZIP, ZSTD = (COMPRESS[name](TEXT) for name in COMPRESSED)
# Only a frame of unknown size needs the whole window.
_WIDE = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=28)).compressobj()
WIDE = _WIDE.compress(TEXT) + _WIDE.flush()


@pytest.mark.parametrize(
    ("key", "body", "words"),
    [
        ("a.gz", TEXT, "its name says gzip, but it looks like plain text: correct its name, or compress it"),
        ("a.zst", b"\xc3\xa4\n", "its name says zstd, but it looks like plain text"),
        ("a", TEXT, "its Content-Encoding says gzip, but it looks like plain text"),
        ("a.gz", ZSTD, "it looks like zstd"),
        ("a.zst", GZIP, "it looks like gzip"),
        ("a.gz", bz2.compress(TEXT), "it looks like another compression"),
        ("a.gz", b"\n<!DOCTYPE html><html>", "it looks like an HTML or XML page"),
        ("a.gz", b"\0\1\2" * 30, "it looks like unknown data"),
        *(
            (key, whole[:end], "it is truncated")
            for key, whole in (("a.gz", GZIP), ("a.zst", ZSTD))
            for end in (1, 3, 20)
        ),
        *((key, whole[:-1] + b"?", "it is damaged") for key, whole in (("a.gz", GZIP), ("a.zst", ZSTD))),
        ("a.gz", GZIP + TEXT, "it is damaged"),
        ("a.zst", WIDE, "its Zstandard window is larger than 128 MiB: compress it without --long"),
    ],
)
def test_the_error_says_what_the_object_is_and_quotes_nothing(key: str, body: bytes, words: str) -> None:
    with pytest.raises(LogsError, match=rf"'{key}' cannot be decompressed to its end: .*{words}") as caught:
        list(decompressed(io.BytesIO(body), key, compression_of(key, "gzip")))
    assert "upload it again" in str(caught.value)
    assert "2017" not in str(caught.value)


@pytest.mark.parametrize("compression", COMPRESSED)
@pytest.mark.parametrize(
    ("parts", "text"),
    [
        pytest.param([], b"", id="no member"),
        pytest.param([b""], b"", id="an empty member"),
        pytest.param([b"one\n", b"", b"two\n"], b"one\ntwo\n", id="members"),
        pytest.param([BOM + b"one\n", BOM, b"", BOM + b"two"], b"one\ntwo", id="a BOM in each"),
        pytest.param([BOM + b"on", BOM + b"e"], b"on" + BOM + b"e", id="a BOM within a line"),
        pytest.param([BOM + BOM + b"one"], BOM + b"one", id="two BOMs"),
        pytest.param([b"one\n" + BOM + b"two"], b"one\n" + BOM + b"two", id="a BOM in a member"),
        pytest.param([BOM[:2], b"one"], BOM[:2] + b"one", id="part of a BOM"),
    ],
)
def test_every_member_is_read_and_a_bom_at_the_start_of_a_line_is_removed(
    compression: str, parts: list[bytes], text: bytes
) -> None:
    assert plain(b"".join(map(COMPRESS[compression], parts)), compression) == text


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_large_object_keeps_all_bytes_but_its_bom(compression: str) -> None:
    text = Random(1).randbytes(3 * READ_BYTES + 7)
    assert plain(COMPRESS[compression](BOM + text), compression) == text


def test_zeros_after_a_gzip_member_are_padding() -> None:
    one, two = gzip.compress(b"one\n"), gzip.compress(b"two\n")
    for zeros in (1, 100_000):
        assert plain(one + bytes(zeros) + two + bytes(zeros), "gzip") == b"one\ntwo\n"
    with pytest.raises(LogsError):
        plain(bytes(100_000) + one, "gzip")


@pytest.mark.parametrize(
    ("keys", "encodings", "compression"),
    [
        (["a"], [None, "", "identity", "aws-chunked"], ""),
        (["a"], ["gzip", "GZIP", "aws-chunked,gzip"], "gzip"),
        (["a"], ["aws-chunked, zstd"], "zstd"),
        (["a.gz"], [None, "zstd"], "gzip"),
        (["a.zst"], ["gzip"], "zstd"),
        (["a.gz.txt", "a.GZ"], [None], ""),
    ],
)
def test_the_suffix_decides_about_compression_and_then_the_content_encoding(
    keys: list[str], encodings: list[str | None], compression: str
) -> None:
    assert {compression_of(key, encoding) for key in keys for encoding in encodings} == {compression}
