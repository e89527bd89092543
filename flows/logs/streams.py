"""Byte streams of log objects: decompressed to their end, cut at line ends into bounded blocks."""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

from flows.errors import LogsError

# Small enough for the processor's cache: each byte is walked several times.
BLOCK_BYTES = 2**20
MOST_LINE_BYTES = 256 * 2**20
MOST_EXPANSION = 500
"""Logs of one health check a second reached 160 to 490 with zstd, usual ones 8 to 30; a gzip bomb
reaches 1,030, a zstd bomb more than 10,000."""
EXPANSION_FLOOR = 64 * 2**20
"""An object that stays below this may expand as it likes."""
# Each step's output is bounded by what this little input can expand to (128 KiB for 4 bytes).
_ZSTD_STEP = 2**8
_BOM = b"\xef\xbb\xbf"


def decompressed(stream: BinaryIO, key: str) -> Iterator[bytes]:
    """The object's plain bytes, in blocks; every member and frame of a compressed object.

    Raises:
        LogsError: The object is not what its suffix says, or ends too early.
    """
    if key.endswith(".zst"):
        blocks = _zstd_frames(stream)
    else:
        plain = gzip.GzipFile(fileobj=stream, mode="rb") if key.endswith(".gz") else _raw(stream)
        blocks = iter(lambda: plain.read(BLOCK_BYTES) or b"", b"")
    try:
        yield from blocks
    except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise LogsError(
            f"The log object {key!r} cannot be decompressed to its end: it is truncated or "
            "damaged. Nothing was published: upload it again, whole, or take it away, and run "
            "the same id again."
        ) from error


def within_ratio(blocks: Iterator[bytes], key: str, stored: int, most: int) -> Iterator[bytes]:
    """The blocks, as long as they stay within `most` times the object's stored bytes.

    Raises:
        LogsError: The object expands to more than that, and than `EXPANSION_FLOOR`.
    """
    limit, size = max(EXPANSION_FLOOR, stored * most), 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise LogsError(
                f"The log object {key!r} expands to more than {most:,} times its stored "
                f"{stored:,} bytes, as a decompression bomb does. Nothing was published: take it "
                f"away or, if it is a true log, raise MAX_EXPANSION_RATIO above {most:,}, and run "
                "the same id again."
            )
        yield block


def whole_lines(blocks: Iterator[bytes], key: str) -> Iterator[tuple[bytes, bool]]:
    """The blocks cut at line ends, without a leading BOM; the flag marks the object's last block.

    Raises:
        LogsError: A line is longer than `MOST_LINE_BYTES`.
    """
    # The parts of a line that has not ended are joined once, at its end.
    rest, size = list[bytes | memoryview](), 0
    for block in _without_bom(blocks):
        cut = block.rfind(b"\n") + 1
        if cut:
            # Copied once, when it is joined.
            rest.append(memoryview(block)[:cut])
            whole, rest, size = b"".join(rest), [], 0
            yield whole, False
            del whole
        if cut < len(block):
            rest.append(block[cut:])
            size += len(block) - cut
            if size > MOST_LINE_BYTES:
                raise line_too_long(key)
    whole = b"".join(rest)
    rest.clear()
    yield whole, True


def line_too_long(key: str, line_number: int | None = None) -> LogsError:
    """The error for a record that would not fit into memory."""
    where = "" if line_number is None else f" that starts on line {line_number:,}"
    return LogsError(
        f"The log object {key!r} has a record of more than {MOST_LINE_BYTES // 2**20} MiB{where}. "
        "Nothing was published: take the object away or split the record, and run again."
    )


def _raw(stream: BinaryIO) -> BinaryIO | io.RawIOBase:
    """A stream of which nothing is read yet, without its buffer: that would copy each block."""
    return stream.raw if isinstance(stream, io.BufferedReader) else stream


def _without_bom(blocks: Iterator[bytes]) -> Iterator[bytes]:
    start = b""
    for block in blocks:
        start += block
        if len(start) >= len(_BOM):
            break
    yield start.removeprefix(_BOM)
    yield from blocks


def _zstd_frames(stream: BinaryIO) -> Iterator[bytes]:
    """Every frame's content; zstandard's own stream reader ends silently in a truncated frame."""
    frames = zstandard.ZstdDecompressor(max_window_size=2**27)
    frame: zstandard.ZstdDecompressionObj | None = None
    data, parts, size = b"", list[bytes](), 0
    while data := data or stream.read(_ZSTD_STEP):
        frame = frame or frames.decompressobj()
        parts.append(frame.decompress(data))
        size += len(parts[-1])
        if size >= BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
        data = frame.unused_data
        if frame.eof:
            frame = None
    if frame is not None:
        raise EOFError("the compressed data ends too early")
    yield b"".join(parts)
