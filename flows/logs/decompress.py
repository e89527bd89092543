"""Log objects as plain bytes: gzip and Zstandard, read to their end, every member and frame."""

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

import zstandard

from flows.errors import LogsError

EXPANSION_FLOOR = 64 * 2**20
"""Below this size, the ratio is not checked."""
READ_BYTES = 2**20
# The read size limits how much one step can expand: gzip 1,030 times, zstd 32,000 times.
_GZIP_STEP, _ZSTD_STEP = 2**13, 2**8
_MAX_WINDOW = 2**27
_BOM = b"\xef\xbb\xbf"
_ERRORS = (EOFError, zlib.error, zstandard.ZstdError)
# What an object is, by its first bytes.
_STARTS = {
    "gzip": rb"\x1f(\x8b|\Z)",
    "zstd": rb"\x28(\Z|\xb5(\Z|\x2f(\Z|\xfd)))|[\x50-\x5f]\x2a\x4d\x18",
    "another compression": rb"BZh|\xfd7zXZ|PK\x03\x04|\x04\x22\x4d\x18|\xff\x06\0\0sNaPpY|\x78[\x01\x9c\xda]",
    "an HTML or XML page": rb"(?i)\s*<(!doctype|html|\?xml|error)",
    "plain text": rb"[^\0-\x08\x0e-\x1f\x7f]*\Z",
    "unknown data": rb"",
}


class Readable(Protocol):
    """A stream of bytes; `read` returns empty bytes at its end."""

    def read(self, size: int, /) -> bytes: ...


class _Member(Protocol):
    """One gzip member or Zstandard frame; zlib and zstandard have the same interface."""

    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def compression_of(key: str, content_encoding: str | None) -> str:
    """The compression of an object: `gzip`, `zstd` or nothing.

    The key's suffix decides; without one of the two suffixes, the Content-Encoding does.
    """
    if key.endswith(".gz"):
        return "gzip"
    if key.endswith(".zst"):
        return "zstd"
    # `aws-chunked` describes the upload; some services keep it.
    names = {name.strip().lower() for name in (content_encoding or "").split(",")}
    return next((name for name in ("gzip", "zstd") if name in names), "")


def decompressed(stream: Readable, key: str, compression: str) -> Iterator[bytes]:
    """The plain bytes of an object, in blocks of at most 16 MiB, without byte order marks.

    A mark is removed where a member, a frame or the object starts at the start of a line.

    Raises:
        LogsError: The compressed data are damaged or end too early.
    """
    start = stream.read(64) if compression else b""
    try:
        yield from _without_marks(_parts(stream, compression, start))
    except _ERRORS as error:
        raise LogsError(
            f"The log object {key!r} cannot be decompressed to its end: {_problem(key, compression, start, error)}. "
            "Nothing was published: upload it again or remove it, and run the same id again."
        ) from error


def _problem(key: str, compression: str, start: bytes, error: Exception) -> str:
    found = next(name for name, pattern in _STARTS.items() if re.match(pattern, start))
    if found == compression == "zstd":
        with suppress(zstandard.ZstdError):  # the frame's header is truncated
            if zstandard.get_frame_parameters(start).window_size > _MAX_WINDOW:
                return "its Zstandard window is larger than 128 MiB: compress it without --long"
    if found == compression:
        return "it is truncated" if isinstance(error, EOFError) else "it is damaged"
    claim = "name" if key.endswith((".gz", ".zst")) else "Content-Encoding"
    return f"its {claim} says {compression}, but it looks like {found}: correct its {claim}, or compress it"


def within_ratio(blocks: Iterator[bytes], key: str, stored: int, ratio: int) -> Iterator[bytes]:
    """The blocks, as long as they stay within `ratio` times the object's stored bytes.

    Raises:
        LogsError: The object expands to more than that, and to more than `EXPANSION_FLOOR`.
    """
    limit, size = max(EXPANSION_FLOOR, stored * ratio), 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise LogsError(
                f"The log object {key!r} expands to more than {ratio:,} times its {stored:,} stored bytes, like a "
                "decompression bomb. Nothing was published: remove it or, if it is a real log, raise "
                f"MAX_EXPANSION_RATIO above {ratio:,}, and run the same id again."
            )
        yield block


def _parts(stream: Readable, compression: str, start: bytes) -> Iterator[tuple[bytes, bool]]:
    """Blocks; the flag marks the first one of a member, a frame or the object."""
    if compression == "gzip":
        yield from _members(stream, start, lambda: zlib.decompressobj(wbits=31), _GZIP_STEP)
    elif compression == "zstd":
        # zstandard's own stream reader ends silently inside a truncated frame.
        frames = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        yield from _members(stream, start, frames.decompressobj, _ZSTD_STEP)
    else:
        first = True
        while block := stream.read(READ_BYTES):
            yield block, first
            first = False


def _members(stream: Readable, data: bytes, new: Callable[[], _Member], step: int) -> Iterator[tuple[bytes, bool]]:
    member: _Member | None = None
    parts: list[bytes] = []
    size, first, padded = 0, True, False
    while data := data or stream.read(step):
        if member is None:
            # gzip members may be followed by zeros as padding.
            data = data.lstrip(b"\0") if padded else data
            if not data:
                continue
            member = new()
        parts.append(member.decompress(data))
        size += len(parts[-1])
        data, ended = member.unused_data, member.eof
        if ended or size >= READ_BYTES:
            yield b"".join(parts), first
            parts, size, first = [], 0, ended
        if ended:
            member, padded = None, step == _GZIP_STEP
    if member is not None:
        raise EOFError("the compressed data end too early")


def _without_marks(parts: Iterator[tuple[bytes, bool]]) -> Iterator[bytes]:
    at_line_start = True
    for block, first in parts:
        # The first block of a member contains all of it or at least READ_BYTES.
        plain = block.removeprefix(_BOM) if first and at_line_start else block
        if plain:
            yield plain
            at_line_start = plain.endswith(b"\n")
