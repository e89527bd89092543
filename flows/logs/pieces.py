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
    """A record for the reference reader: a line without its line end, or a CSV record."""

    line_number: int
    raw: bytes
    record: CsvRecord | None = None


def json_pieces(blocks: Iterator[tuple[bytes, bool]]) -> Iterator[Lines | Odd]:
    """Cut the blocks of one object of page views."""
    line_number = 1
    for block, last in blocks:
        yield from _rest(block, line_number) if last else _lines(block, line_number)
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
            rest = data[at:]
            yield from _rest(rest, line_number) if last else _lines(rest, line_number)
            line_number += rest.count(b"\n")
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


def _rest(data: bytes, line_number: int) -> Iterator[Lines | Odd]:
    """The lines at the end of an object, each of which stands alone.

    SQL takes a CR at the end of a line for half of a line end; where no LF follows, it is data.
    """
    start = data.rfind(b"\n") + 1 if data.endswith(b"\r") else len(data)
    yield from _lines(data[:start], line_number)
    if start < len(data):
        yield Odd(line_number + data.count(b"\n"), data[start:])


def _lines(block: bytes, line_number: int) -> Iterator[Lines | Odd]:
    if not block:
        return
    if b"\0" not in block:
        try:
            yield Lines(line_number, block.decode())
            return
        except UnicodeDecodeError:
            pass
    lines = block.split(b"\n")
    kept = []
    for offset, line in enumerate(lines):
        if _plain(line):
            kept.append(line)
        else:
            kept.append(b"")
            ended = offset < len(lines) - 1
            yield Odd(line_number + offset, line.removesuffix(b"\r") if ended else line)
    yield Lines(line_number, b"\n".join(kept).decode())


def _plain(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in line
