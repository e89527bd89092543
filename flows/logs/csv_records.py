"""A strict splitter of CSV into records (RFC 4180), over bytes, so that a record may be any text.

A record that breaks the quoting rules, or whose quote never closes, is just the one physical line
on which it starts: a stray quote must not swallow the lines behind it.
"""

import re
from dataclasses import dataclass

_PLAIN = re.compile(rb'[^",\n]*')
_QUOTED = re.compile(rb'"[^"]*(?:""[^"]*)*"(?!")')


@dataclass(frozen=True)
class CsvRecord:
    """One record: its raw bytes without the line end, and its fields (None: bad quoting)."""

    raw: bytes
    fields: list[bytes] | None
    end: int


class Unfinished(Exception):
    """The data ends inside a quoted field; more of it may close the quote."""


def read_record(data: bytes, at: int, *, complete: bool) -> CsvRecord:
    """Read the record that starts at the physical line at `at`.

    Args:
        data: CSV bytes.
        at: Where the physical line starts.
        complete: Whether the data reaches to the end of the object.

    Raises:
        Unfinished: A quote is open at the end of the data, which is not `complete`.
    """
    start, fields = at, []
    while True:
        if data[at : at + 1] == b'"':
            quoted = _QUOTED.match(data, at)
            if quoted is None:
                if not complete:
                    raise Unfinished
                return _broken(data, start)
            if quoted.end() == len(data) and not complete:
                raise Unfinished  # the next byte decides whether this quote closes the field
            fields.append(quoted[0][1:-1].replace(b'""', b'"'))
            at = quoted.end()
            ended = _line_end(data, at)
            if ended is not None:
                return CsvRecord(data[start:at], fields, ended)
            if data[at : at + 1] != b",":
                return _broken(data, start)
        else:
            plain = _PLAIN.match(data, at)
            assert plain is not None
            at = plain.end()
            if at == len(data) or data[at : at + 1] == b"\n":
                field, stop = plain[0], at
                if at < len(data) and field.endswith(b"\r"):
                    field, stop = field[:-1], at - 1
                return CsvRecord(data[start:stop], [*fields, field], at + 1)
            if data[at : at + 1] == b'"':
                return _broken(data, start)
            fields.append(plain[0])
        at += 1


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
