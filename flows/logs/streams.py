"""Byte streams of log objects: decompressed to their end, cut at line ends into bounded blocks."""

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

from flows.errors import LogsError

BLOCK_BYTES = 8 * 2**20
MOST_LINE_BYTES = 256 * 2**20
# Each step's output is bounded by what this little input can expand to (128 KiB for 4 bytes).
_ZSTD_STEP = 4 * 2**10
_BOM = b"\xef\xbb\xbf"


def decompressed(stream: BinaryIO, key: str) -> Iterator[bytes]:
    """The object's plain bytes, in blocks; every member and frame of a compressed object.

    Raises:
        LogsError: The object is not what its suffix says, or ends too early.
    """
    if key.endswith(".zst"):
        blocks = _zstd_frames(stream)
    else:
        plain = gzip.GzipFile(fileobj=stream, mode="rb") if key.endswith(".gz") else stream
        blocks = iter(lambda: plain.read(BLOCK_BYTES), b"")
    try:
        yield from blocks
    except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise LogsError(
            f"The log object {key!r} cannot be decompressed to its end: it is truncated or "
            "damaged. Nothing was published: upload it again, whole, or take it away, and run "
            "the same id again."
        ) from error


def whole_lines(blocks: Iterator[bytes], key: str) -> Iterator[tuple[bytes, bool]]:
    """The blocks cut at line ends, without a leading BOM; the flag marks the object's last block.

    Raises:
        LogsError: A line is longer than `MOST_LINE_BYTES`.
    """
    rest, first = b"", True
    for block in blocks:
        rest += block
        if first:
            if len(rest) < len(_BOM):
                continue
            rest, first = rest.removeprefix(_BOM), False
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut], False
            rest = rest[cut:]
        elif len(rest) > MOST_LINE_BYTES:
            raise line_too_long(key)
    yield (rest.removeprefix(_BOM) if first else rest), True


def line_too_long(key: str) -> LogsError:
    """The error for a record that would not fit into memory."""
    return LogsError(
        f"The log object {key!r} has a record of more than {MOST_LINE_BYTES // 2**20} MiB. "
        "Nothing was published: take the object away or split the record, and run again."
    )


def _zstd_frames(stream: BinaryIO) -> Iterator[bytes]:
    """Every frame's content; zstandard's own stream reader ends silently in a truncated frame."""
    frames = zstandard.ZstdDecompressor(max_window_size=2**27)
    frame: zstandard.ZstdDecompressionObj | None = None
    data = b""
    while data := data or stream.read(_ZSTD_STEP):
        frame = frame or frames.decompressobj()
        yield frame.decompress(data)
        data = frame.unused_data
        if frame.eof:
            frame = None
    if frame is not None:
        raise EOFError("the compressed data ends too early")
