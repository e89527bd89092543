"""Objects cut into pieces: lines that SQL may judge one by one, and records that it may not."""

from collections.abc import Iterator
from dataclasses import dataclass

from flows.logs.csv_records import CsvRecord, Unfinished, read_record
from flows.logs.streams import MOST_LINE_BYTES, line_too_long


@dataclass(frozen=True)
class Lines:
    """Whole lines of UTF-8 without U+0000; some may be blanked out, their numbers kept."""

    first_line: int
    text: str


@dataclass(frozen=True)
class Odd:
    """A record for the reference reader: a line, or a CSV record already split."""

    line_number: int
    raw: bytes
    record: CsvRecord | None = None


def json_pieces(blocks: Iterator[tuple[bytes, bool]]) -> Iterator[Lines | Odd]:
    """Cut the blocks of one object of page views."""
    line_number = 1
    for block, _ in blocks:
        yield from _lines(block, line_number)
        line_number += block.count(b"\n")


def csv_pieces(blocks: Iterator[tuple[bytes, bool]], key: str) -> Iterator[Lines | Odd]:
    """Cut the blocks of one object of user updates, keeping records of many lines whole.

    A line that starts outside quotes ends inside them only if it holds an odd number of quotes
    (each quote, doubled ones too, toggles), so all lines before the next odd one stand alone.
    """
    line_number, data = 1, b""
    for block, last in blocks:
        data += block
        at = 0
        for start in _odd_quoted_lines(data):
            if start < at:
                continue
            yield from _lines(data[at:start], line_number)
            line_number += data.count(b"\n", at, start)
            at = start
            try:
                record = read_record(data, at, complete=last)
            except Unfinished:
                break
            yield Odd(line_number, record.raw, record)
            line_number += data.count(b"\n", at, record.end)
            at = record.end
        else:
            if last and data.endswith(b"\r"):
                # Only CR LF ends a line: SQL would take this CR for half of one.
                start = max(data.rfind(b"\n") + 1, at)
                yield from _lines(data[at:start], line_number)
                line_number += data.count(b"\n", at, start)
                yield Odd(line_number, data[start:], read_record(data, start, complete=True))
            else:
                yield from _lines(data[at:], line_number)
                line_number += data.count(b"\n", at)
            at = len(data)
        data = data[at:]
        if len(data) > MOST_LINE_BYTES:
            raise line_too_long(key)


def _odd_quoted_lines(data: bytes) -> Iterator[int]:
    if b'"' not in data:
        return
    start = 0
    for line in data.split(b"\n"):
        if line.count(b'"') & 1:
            yield start
        start += len(line) + 1


def _lines(block: bytes, line_number: int) -> Iterator[Lines | Odd]:
    if not block:
        return
    if b"\0" not in block:
        try:
            yield Lines(line_number, block.decode())
            return
        except UnicodeDecodeError:
            pass
    kept = []
    for offset, line in enumerate(block.split(b"\n")):
        if _plain(line):
            kept.append(line)
        else:
            kept.append(b"")
            yield Odd(line_number + offset, line)
    yield Lines(line_number, b"\n".join(kept).decode())


def _plain(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in line
