"""An extract of one object in a process of its own, with its peak memory.

`python -m tests.support.measured KIND KEY FILE` prints what became of the file's bytes as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import duckdb

from flows.errors import LogsError
from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.logs.extract import Extractor
from flows.logs.objects import LogObject

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Measured:
    """What an extract came to: its account, the first rejects, its error; MiB that it took."""

    counts: dict[str, Any]
    rejects: list[list[Any]]
    error: str
    peak: int


def measured(kind: str, key: str, file: Path) -> Measured:
    """Extract one object in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.measured", kind, key, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Measured(**json.loads(done.stdout))


def _main(kind: str, key: str, file: Path) -> Measured:
    before, counts, rejects, error = _peak(), dict[str, Any](), list[list[Any]](), ""

    @contextmanager
    def opened(_: LogObject) -> Iterator[BinaryIO]:
        with file.open("rb") as stream:
            yield stream

    with TemporaryDirectory() as folder:
        settings = DuckSettings(threads=1, spill=Path(folder) / "spill")
        item = LogObject(kind, key, "etag", file.stat().st_size)
        try:
            with duck(settings) as connection:
                done = Extractor(connection, "production", Path(folder)).extract([item], opened)
        except LogsError as found:
            error = str(found)
        else:
            counts = asdict(done.counts[0])
            peak = _peak() - before
            if done.rejects is not None:
                rejects = [
                    list(row)
                    for row in duckdb.sql(
                        f"SELECT line_number, reason, line FROM '{done.rejects}' ORDER BY 1 LIMIT 9"
                    ).fetchall()
                ]
            return Measured(counts, rejects, error, peak)
    return Measured(counts, rejects, error, _peak() - before)


def _peak() -> int:
    """The most memory that this process ever had, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    print(json.dumps(asdict(_main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))))
