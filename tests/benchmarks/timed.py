"""Commands timed as whole processes, with the memory of the whole process tree."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

ROOT = Path(__file__).parents[2]
_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Timed:
    """What runs of a command took: wall seconds of each, and the highest peak of memory in MiB."""

    seconds: list[float]
    peak: float

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return median(self.seconds)


def timed(command: list[str], variables: dict[str, str]) -> Timed:
    """Run a command once, which must end well."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, _tree_bytes(process.pid) / 2**20)
            time.sleep(_EVERY_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{output}")
    return Timed([seconds], peak)


def together(*runs: Timed) -> Timed:
    """Several runs as one."""
    return Timed([one for run in runs for one in run.seconds], max(run.peak for run in runs))


def _tree_bytes(pid: int) -> int:
    """The resident memory of a process and its descendants; shared pages count for each."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total
