"""Objects of user updates, split into records and judged by DuckDB."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson

from flows.duck import read_sql
from flows.logs.csv_records import CsvRecord, split_records
from flows.logs.plain_file import PlainFile
from flows.stopping import check_stop

COLUMNS = ["updated_at", "user_id", "email", "name", "environment"]


def judge_user_updates(
    connection: duckdb.DuckDBPyConnection, objects: Sequence[PlainFile], log_environment: str, scratch: Path
) -> None:
    """Create the table `judged`: object, line_number, line, instant, user_id, email, name, verdict.

    Args:
        objects: The objects of one unit; a record's `object` is the place in this list.
    """
    path = scratch / "records.jsonl"
    with path.open("wb") as file:
        for number, plain in enumerate(objects):
            for record in _records(plain):
                file.write(orjson.dumps({"object": number, **record}, option=orjson.OPT_APPEND_NEWLINE))
    connection.execute(read_sql("flows.logs", "user_updates"))
    connection.execute("CREATE OR REPLACE TABLE records AS FROM read_user_updates($files)", {"files": [str(path)]})
    connection.execute(
        "CREATE OR REPLACE TABLE judged AS FROM judge_user_updates('records', $log_environment)",
        {"log_environment": log_environment},
    )


def _records(plain: PlainFile) -> Iterator[dict[str, Any]]:
    """The records of an object as `read_user_updates` expects them, without blank lines."""
    with plain.path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        for record in split_records(lines, plain.too_long):
            check_stop()
            if not record.text.strip(" \t\r\n\v\f") or record.fields == COLUMNS:
                continue
            problem = _problem(record, plain)
            text = record.text[:-2] if record.text.endswith("\r\n") else record.text.removesuffix("\n")
            yield {
                "line_number": record.line_number,
                "problem": problem,
                "line": text[:4_000].encode(errors="surrogateescape").decode(errors="replace"),
                "fields": None if problem else record.fields,
            }


def _problem(record: CsvRecord, plain: PlainFile) -> str | None:
    """The reason to reject a record that has no five fields of text, if it is one."""
    is_utf8 = plain.too_long.get(record.line_number, not _has_surrogates(record.text))
    if not is_utf8:
        return "not_utf8"
    return None if record.fields and len(record.fields) == len(COLUMNS) else "malformed"


def _has_surrogates(text: str) -> bool:
    """Whether a text that was decoded with `surrogateescape` was not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
