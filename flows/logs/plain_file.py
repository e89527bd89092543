"""Plain files of log objects on disk, whose lines are short enough for every reader."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from flows.stopping import check_stop

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is rejected; its line end is not counted."""
_CHECKED_LINES = 10_000
_KEPT_BYTES = 4_000  # enough for the 1,000 characters that rejected_records shows


@dataclass
class PlainFile:
    """The decompressed lines of one log object.

    Attributes:
        path: The file.
        lines: The number of its physical lines, blank ones included.
        too_long: Lines over `MAX_LINE_BYTES`, by number: whether the line is UTF-8. In the file, only their start is
            left, made invalid by a U+0000 at its end.
    """

    path: Path
    lines: int = 0
    too_long: dict[int, bool] = field(default_factory=dict)

    def numbered_lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line with its number, from 1, and without its line end (LF or CRLF)."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number % _CHECKED_LINES == 0:
                    check_stop()
                yield number, line[:-2] if line.endswith(b"\r\n") else line.removesuffix(b"\n")


def write_plain_file(blocks: Iterator[bytes], path: Path) -> PlainFile:
    """Write the blocks of one object, each of at most `MAX_LINE_BYTES`, to a file."""
    plain, long = PlainFile(path), None
    open_bytes, before = 0, b""  # of the last line, which has not ended; the byte before the block
    with path.open("w+b") as file:
        for block in blocks:
            check_stop()
            cut = block.find(b"\n") + 1 or len(block)
            head, tail = block[:cut], block[cut:]
            size = open_bytes + len(head) - head.endswith(b"\n")
            # A CR at the end is not counted if an LF follows it.
            if (before + head).endswith((b"\r\n", b"\r")):
                size -= 1
            before = block[-1:]
            if long is None and size > MAX_LINE_BYTES:
                long = _LongLine(file, open_bytes, head)
            elif long is not None:
                long.check(head)
            else:
                file.write(head)
            open_bytes += len(head)
            if head.endswith(b"\n"):
                plain.lines += 1 + tail.count(b"\n")
                if long is not None:
                    plain.too_long[plain.lines - tail.count(b"\n")] = long.end(file)
                    long = None
                file.write(tail)
                open_bytes = len(tail) - tail.rfind(b"\n") - 1
        if open_bytes:
            plain.lines += 1
            if long is None and open_bytes > MAX_LINE_BYTES:
                long = _LongLine(file, open_bytes, b"")
            if long is not None:
                plain.too_long[plain.lines] = long.end(file)
    return plain


class _LongLine:
    """A line that is too long, cut in the file, and checked to be UTF-8 to its end.

    Args:
        file: The plain file, at whose end the line has begun.
        written: The bytes of the line that are in the file already.
        head: The bytes that follow these.
    """

    def __init__(self, file: BinaryIO, written: int, head: bytes) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_utf8, self._is_blank = True, True
        file.seek(-written, SEEK_END)
        start = file.read()
        file.seek(-written, SEEK_END)
        file.truncate()
        file.write((start + head)[:_KEPT_BYTES])
        self.check(start)
        self.check(head)

    def check(self, part: bytes, *, final: bool = False) -> None:
        """Check the next bytes of the line."""
        self._is_blank = self._is_blank and not part.strip()
        try:
            self._decoder.decode(part, final)
        except UnicodeDecodeError:
            self._is_utf8 = False
            self._decoder.reset()

    def end(self, file: BinaryIO) -> bool:
        """End the line in the file; return whether it is UTF-8."""
        self.check(b"", final=True)
        file.write(b"\n" if self._is_blank else b"\0\n")
        return self._is_utf8
