"""CSV split into records by Python's csv module in strict mode (RFC 4180).

A record with broken quoting, or one that is too long, is the single physical line on which it starts: a stray quote
must not swallow the lines after it.
"""

import csv
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from flows.logs.plain_file import MAX_LINE_BYTES

MAX_LINES = 100
"""Physical lines of one record."""


@dataclass(frozen=True)
class CsvRecord:
    """One record: its first physical line's number, its text, and its fields (None: broken)."""

    line_number: int
    text: str
    fields: list[str] | None


class _TooLong(Exception):
    pass


def split_records(lines: Iterable[str], too_long: Collection[int]) -> Iterator[CsvRecord]:
    """Split the lines of one object into records.

    Args:
        lines: Physical lines with their line ends.
        too_long: The numbers of lines that are too long for any record.
    """
    source = enumerate(lines, 1)
    pushed_back: deque[tuple[int, str]] = deque()
    taken: list[tuple[int, str]] = []

    def feed() -> Iterator[str]:
        size = 0
        while pair := pushed_back.popleft() if pushed_back else next(source, None):
            taken.append(pair)
            size = (0 if len(taken) == 1 else size) + len(pair[1].encode(errors="surrogateescape"))
            if len(taken) > MAX_LINES or size > MAX_LINE_BYTES or pair[0] in too_long:
                raise _TooLong
            yield pair[1]

    reader = csv.reader(feed(), strict=True)
    while True:
        try:
            fields = next(reader, None)
            if fields is None:
                return
            yield CsvRecord(taken[0][0], "".join(line for _, line in taken), fields)
        except (csv.Error, _TooLong):
            yield CsvRecord(*taken[0], None)
            pushed_back.extendleft(reversed(taken[1:]))
            reader = csv.reader(feed(), strict=True)
        taken.clear()
