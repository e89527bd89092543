"""Extracts of objects in another process, with its peak memory.

`python -m tests.support.measured KIND FOLDER MEMORY` prints what became of the folder's files as
JSON. Each file is an object whose key ends in the file's name, and a unit of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.duck import DuckLimits
from flows.errors import LogsError
from tests.support.readers import PREFIX, extract_streams, rejects_of

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Measured:
    """An object's account, its first rejects and its error; the process's peak so far, in MiB."""

    counts: dict[str, Any]
    rejects: list[list[Any]]
    error: str
    peak: int


def measured(kind: str, folder: Path, memory: int = 500 * 10**6) -> dict[str, Measured]:
    """Extract each file of a folder in another process, with so many bytes for DuckDB; the results by file name."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.measured", kind, str(folder), str(memory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {name: Measured(**found) for name, found in json.loads(done.stdout).items()}


def _measured(kind: str, file: Path, memory: int, before: int) -> Measured:
    key = PREFIX[kind] + file.name
    with file.open("rb") as stream, TemporaryDirectory() as name:
        scratch = Path(name)
        limits = DuckLimits(memory, 1, scratch / "spill")
        try:
            done = extract_streams(kind, {key: stream}, scratch, limits=limits)
        except LogsError as error:
            return Measured({}, [], str(error), _peak() - before)
        peak = _peak() - before
        rejects = [list(row) for row in rejects_of(done)[key][:9]]
        return Measured(asdict(done.counts[0]), rejects, "", peak)


def _peak() -> int:
    """The most memory that this process ever had, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def _main(kind: str, folder: str, memory: str) -> None:
    before = _peak()
    found = {file.name: asdict(_measured(kind, file, int(memory), before)) for file in sorted(Path(folder).iterdir())}
    print(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
