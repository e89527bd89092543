"""Commands timed as whole processes, with the memory of the whole process tree."""

import itertools
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE, STDOUT

import psutil

ROOT = Path(__file__).parents[2]
_EVERY_SECONDS, _TREE_EVERY = 0.05, 10


@dataclass(frozen=True)
class Timed:
    """Wall seconds of each run, from start to end of its process; the highest memory peak in MB."""

    seconds: list[float]
    peak: float

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return median(self.seconds)


def timed(command: list[str], variables: dict[str, str], folder: Path = ROOT) -> Timed:
    """Run a command once.

    Raises:
        RuntimeError: It failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=variables, stdout=PIPE, stderr=STDOUT, text=True)
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        for number in itertools.count():
            if process.poll() is not None:
                return
            # To look for children takes ten times as long as to ask each for its memory.
            if number % _TREE_EVERY == 0:
                tree = _tree(process.pid)
            peak = max(peak, _bytes(tree) / 1e6)
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


def _tree(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _bytes(processes: list[psutil.Process]) -> int:
    """Their resident memory; shared pages count for each."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total
