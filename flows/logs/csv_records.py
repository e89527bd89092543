"""A strict splitter of CSV into records (RFC 4180), over bytes, so that a record may be any text.

A record that breaks the quoting rules, or whose quote never closes, is just the one physical line
on which it starts: a stray quote must not swallow the lines behind it.
"""

import re
from dataclasses import dataclass

_PLAIN = re.compile(rb'[^",\n]*')
_QUOTES = re.compile(rb'"+')


@dataclass(frozen=True)
class CsvRecord:
    """One record: its raw bytes without the line end, and its fields (None: bad quoting)."""

    raw: bytes
    fields: list[bytes] | None
    end: int


class Unfinished(Exception):
    """The data ends inside a quoted field; more of it may close the quote."""


class _BadQuoting(Exception):
    pass


def read_record(data: bytes, at: int, *, complete: bool) -> CsvRecord:
    """Read the record that starts at the physical line at `at`.

    Args:
        data: CSV bytes, which end with a line's end, or the object's.
        at: Where the physical line starts.
        complete: Whether the data reaches to the end of the object.

    Raises:
        Unfinished: A quote is open at the end of the data, which is not `complete`.
    """
    fields: list[bytes] = []
    try:
        stop, end = _walk(data, at, fields)
    except Unfinished:
        if not complete:
            raise
        return _broken(data, at)
    except _BadQuoting:
        return _broken(data, at)
    return CsvRecord(data[at:stop], fields, end)


def stays_open(data: bytes) -> bool:
    """Whether a quoted field that is open where the data starts is, or another, at its end."""
    try:
        _walk(data, 0, None, inside=True)
    except Unfinished:
        return True
    except _BadQuoting:
        return False
    return False


def _walk(
    data: bytes, at: int, fields: list[bytes] | None, *, inside: bool = False
) -> tuple[int, int]:
    """Walk to the end of a record and keep its fields; where its bytes and its line end, end."""
    while True:
        if inside or data[at : at + 1] == b'"':
            start = at if inside else at + 1
            close = _closing_quote(data, start)
            if fields is not None:
                fields.append(data[start:close].replace(b'""', b'"'))
            at, inside = close + 1, False
            ended = _line_end(data, at)
            if ended is not None:
                return at, ended
            if data[at : at + 1] != b",":
                raise _BadQuoting
        else:
            start = at
            plain = _PLAIN.match(data, at)
            assert plain is not None
            at = plain.end()
            if at == len(data) or data[at : at + 1] == b"\n":
                stop = at - 1 if at < len(data) and data[start:at].endswith(b"\r") else at
                if fields is not None:
                    fields.append(data[start:stop])
                return stop, at + 1
            if data[at : at + 1] == b'"':
                raise _BadQuoting
            if fields is not None:
                fields.append(data[start:at])
        at += 1


def _closing_quote(data: bytes, at: int) -> int:
    """Where the quoted field ends: an even run of quotes is content, doubled."""
    for quotes in _QUOTES.finditer(data, at):
        if (quotes.end() - quotes.start()) & 1:
            return quotes.end() - 1
    raise Unfinished


def _line_end(data: bytes, at: int) -> int | None:
    if at >= len(data) or data[at : at + 1] == b"\n":
        return at + 1
    if data[at : at + 2] == b"\r\n":
        return at + 2
    return None


def _broken(data: bytes, start: int) -> CsvRecord:
    end = data.find(b"\n", start)
    if end < 0:
        return CsvRecord(data[start:], None, len(data))
    return CsvRecord(data[start:end].removesuffix(b"\r"), None, end + 1)
