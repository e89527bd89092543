"""Objects cut into pieces: lines that may be judged one by one, and records that may not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flows.logs.csv_records import CsvRecord, Unfinished, read_record, stays_open
from flows.logs.scan_quotes import odd_quoted_lines
from flows.logs.streams import MOST_LINE_BYTES, line_too_long

# Lines with an odd number of quotes that are looked for at a time.
_AT_ONCE = 1_000
_FEW_LINES = 100


@dataclass(frozen=True)
class Odd:
    """A record for the reference reader: a line without its line end, or a CSV record."""

    line_number: int
    raw: bytes
    record: CsvRecord | None = None


@dataclass(frozen=True)
class Lines:
    """Whole lines, each of which stands alone; some may be blanked out, their numbers kept.

    Attributes:
        first_line: The number of the first one.
        data: The lines, each with its LF, the last one too.
        is_utf8: Whether all of them are UTF-8.
        ended: Whether the last one's LF is the object's own.
    """

    first_line: int
    data: bytes
    is_utf8: bool
    ended: bool

    @classmethod
    def of(cls, block: bytes, first_line: int) -> "Lines":
        """Lines as they stand in an object."""
        ended = not block or block.endswith(b"\n")
        return cls(first_line, block if ended else block + b"\n", _is_utf8(block), ended)

    def odd(self, line_number: int, start: int, end: int) -> Odd:
        """The line that lies here, its LF at `end`."""
        raw = self.data[start:end]
        ended = self.ended or end < len(self.data) - 1
        return Odd(line_number, raw.removesuffix(b"\r") if ended else raw)


def csv_pieces(blocks: Iterator[tuple[bytes, bool]], key: str) -> Iterator[Lines | Odd]:
    """Cut the blocks of one object of user updates, keeping records of many lines whole.

    A line that starts outside quotes ends inside them only if it holds an odd number of quotes
    (each quote, doubled ones too, toggles), so all lines before the next odd one stand alone.
    """
    line_number, size = 1, 0
    held: list[bytes] = []  # the blocks of a record whose quote is open, each walked once
    for block, last in blocks:
        data = block
        if held:
            held.append(block)
            size += len(block)
            if not last and stays_open(block):
                if size > MOST_LINE_BYTES:
                    raise line_too_long(key, line_number)
                continue
            data = b"".join(held)
            held.clear()
        del block
        at = 0
        alone: list[bytes] = []  # the lines between the records of many lines
        kept_from = line_number
        for start in _odd_quoted_lines(data):
            if start < at:
                continue
            alone.append(data[at:start])
            line_number += data.count(b"\n", at, start)
            at = start
            try:
                record = read_record(data, at, complete=last)
            except Unfinished:
                held.append(data[at:])
                size = len(held[0])
                at = len(data)
                break
            yield Odd(line_number, record.raw, record)
            lines = data.count(b"\n", at, record.end)
            at = record.end
            line_number += lines
            if lines <= _FEW_LINES:
                alone.append(b"\n" * lines)
            else:
                yield Lines.of(b"".join(alone), kept_from)
                alone, kept_from = [], line_number
        alone.append(data[at:])
        if not held:
            line_number += data.count(b"\n", at)
        data = b""
        data = b"".join(alone)
        alone.clear()
        if last:
            yield from _rest(data, kept_from)
        else:
            yield Lines.of(data, kept_from)


def _odd_quoted_lines(data: bytes) -> Iterator[int]:
    content, found, at = np.frombuffer(data, np.uint8), np.empty(_AT_ONCE, np.int64), 0
    while at < len(data):
        at, count = odd_quoted_lines(content, at, found)
        yield from found[:count].tolist()


def _rest(data: bytes, line_number: int) -> Iterator[Lines | Odd]:
    """The lines at the end of an object; a CR that no LF follows there is data."""
    start = data.rfind(b"\n") + 1 if data.endswith(b"\r") else len(data)
    yield Lines.of(data[:start], line_number)
    if start < len(data):
        yield Odd(line_number + data.count(b"\n"), data[start:])


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
