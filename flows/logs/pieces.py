"""Objects cut into pieces: lines that SQL may judge one by one, and records that it may not."""

from collections.abc import Iterator
from dataclasses import dataclass

from flows.logs.csv_records import CsvRecord, Unfinished, read_record, stays_open
from flows.logs.streams import MOST_LINE_BYTES, line_too_long

# What SQL is given at a time; a longer line goes to the reference reader, which takes less memory.
PIECE_BYTES = 256 * 2**10
_FEW_LINES = 100


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
                yield from _lines(b"".join(alone), kept_from)
                alone, kept_from = [], line_number
        alone.append(data[at:])
        if not held:
            line_number += data.count(b"\n", at)
        data = b""
        data = b"".join(alone)
        alone.clear()
        yield from _rest(data, kept_from) if last else _lines(data, kept_from)


def _odd_quoted_lines(data: bytes) -> Iterator[int]:
    start = 0
    for piece in _cut(data):
        if b'"' not in piece:
            start += len(piece)
            continue
        for line in piece.split(b"\n"):
            if line.count(b'"') & 1:
                yield start
            start += len(line) + 1
        start -= 1  # the piece's last line end was the last line's


def _rest(data: bytes, line_number: int) -> Iterator[Lines | Odd]:
    """The lines at the end of an object, each of which stands alone.

    SQL takes a CR at the end of a line for half of a line end; where no LF follows, it is data.
    """
    start = data.rfind(b"\n") + 1 if data.endswith(b"\r") else len(data)
    yield from _lines(data[:start], line_number)
    if start < len(data):
        yield Odd(line_number + data.count(b"\n"), data[start:])


def _lines(block: bytes, line_number: int) -> Iterator[Lines | Odd]:
    for piece in _cut(block):
        if len(piece) > PIECE_BYTES:
            yield Odd(line_number, _without_end(piece))
        else:
            yield from _short_lines(piece, line_number)
        line_number += piece.count(b"\n")


def _cut(data: bytes) -> Iterator[bytes]:
    """Whole lines of at most `PIECE_BYTES` together, or one that is longer."""
    at = 0
    while at < len(data):
        end = len(data)
        if end - at > PIECE_BYTES:
            end = data.rfind(b"\n", at, at + PIECE_BYTES) + 1
            end = end or data.find(b"\n", at + PIECE_BYTES) + 1 or len(data)
        yield data[at:end]
        at = end


def _short_lines(block: bytes, line_number: int) -> Iterator[Lines | Odd]:
    if not block.strip(b" \t\r\n"):
        return  # blank lines, of which a bomb may hold very many
    if b"\0" not in block:
        try:
            yield Lines(line_number, block.decode())
            return
        except UnicodeDecodeError:
            pass
    kept = []
    lines = block.split(b"\n")
    for offset, line in enumerate(lines):
        if _plain(line):
            kept.append(line)
        else:
            kept.append(b"")
            ended = offset < len(lines) - 1
            yield Odd(line_number + offset, line.removesuffix(b"\r") if ended else line)
    yield Lines(line_number, b"\n".join(kept).decode())


def _without_end(line: bytes) -> bytes:
    if not line.endswith(b"\n"):
        return line
    return line[:-2] if line.endswith(b"\r\n") else line[:-1]


def _plain(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in line
