"""Objects of page views, judged by DuckDB: as whole files first, then line by line where needed."""

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress

import duckdb

from flows.duck import create_table, read_sql
from flows.logs.plain_file import PlainFile

_MAX_SUSPECTS = 100_000
_BATCH_CHARACTERS = 4 * 2**20
_LINE_OVERHEAD = 100
_LONG_CHARACTERS = 2**18
_LINES = {"object": "INTEGER", "line_number": "BIGINT", "problem": "VARCHAR", "line": "VARCHAR"}
_JUDGED = {
    "object": "INTEGER",
    "line_number": "BIGINT",
    "line": "VARCHAR",
    "instant": "TIMESTAMP",
    "user_id": "BIGINT",
    "url": "VARCHAR",
    "verdict": "VARCHAR",
}
_Line = tuple[int, int, str | None, str]


def judge_page_views(connection: duckdb.DuckDBPyConnection, objects: Sequence[PlainFile], log_environment: str) -> None:
    """Create the table `judged` (object, line_number, line, instant, user_id, url, verdict).

    DuckDB reads whole files much faster than single lines, but its answer for a bad line, and for the line after it, is
    not reliable. So each line that it does not find valid is judged again by itself, and so are all lines of an object
    in which it found more or fewer lines than there are. `line_number` and `line` are set for these lines only.

    Args:
        objects: The objects of one unit; a line's `object` is the place in this list.
    """
    values = {"log_environment": log_environment}
    connection.execute(read_sql("flows.logs", "page_views"))
    create_table(connection, "judged", _JUDGED)
    with suppress(duckdb.InvalidInputException):  # some bad lines end the reading of a whole file
        connection.execute(
            read_sql("flows.logs", "judge_files"), {**values, "files": [str(plain.path) for plain in objects]}
        )
    create_table(connection, "judged_again", _JUDGED)
    judge_suspects = read_sql("flows.logs", "judge_suspects")
    for batch in _batches(_suspects(connection, objects)):
        create_table(connection, "suspects", _LINES, (line for line in batch if not _is_long(line)))
        for line in filter(_is_long, batch):
            connection.execute("INSERT INTO suspects VALUES (?, ?, ?, ?)", line)
        connection.execute(judge_suspects, values)
    connection.execute("DELETE FROM judged WHERE NOT is_valid(verdict)")
    connection.execute("INSERT INTO judged FROM judged_again")


def _suspects(connection: duckdb.DuckDBPyConnection, objects: Sequence[PlainFile]) -> Iterator[_Line]:
    """The lines to judge by themselves."""
    rows = connection.execute(read_sql("flows.logs", "count_rows")).fetchall()
    found = {number: (first, count, suspects) for number, first, count, suspects in rows}
    for number, plain in enumerate(objects):
        first, count, suspects = found.get(number, (1, 0, 0))
        if suspects == 0 and count == plain.lines:
            continue
        wanted: Container[int] | None = None
        if count == sum(1 for _ in _lines(plain)) and suspects <= _MAX_SUSPECTS:
            wanted = _suspect_rows(connection, number)
        else:
            connection.execute("DELETE FROM judged WHERE object = ?", [number])
        for row, (line_number, raw) in enumerate(_lines(plain), first):
            if wanted is None or row in wanted:
                yield (number, line_number, *_decoded(plain, line_number, raw))


def _suspect_rows(connection: duckdb.DuckDBPyConnection, number: int) -> set[int]:
    query = "SELECT line_number FROM judged WHERE object = ? AND NOT is_valid(verdict)"
    return {row for (row,) in connection.execute(query, [number]).fetchall()}


def _lines(plain: PlainFile) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank."""
    return (pair for pair in plain.numbered_lines() if pair[1].strip())


def _batches(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """The lines in batches of bounded size."""
    batch: list[_Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line[-1]) + _LINE_OVERHEAD
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _is_long(line: _Line) -> bool:
    """Whether a line would take too much memory as part of a JSON parameter."""
    return len(line[-1]) > _LONG_CHARACTERS


def _decoded(plain: PlainFile, line_number: int, raw: bytes) -> tuple[str | None, str]:
    """The reason to reject a line that cannot be parsed, if it is one, and its text."""
    try:
        text, is_utf8 = raw.decode(), True
    except UnicodeDecodeError:
        text, is_utf8 = raw.decode(errors="replace"), False
    if not plain.too_long.get(line_number, is_utf8):
        return "not_utf8", text[:1_000]
    return ("malformed", text[:1_000]) if line_number in plain.too_long else (None, text)
