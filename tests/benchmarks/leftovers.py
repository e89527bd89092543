"""What a killed benchmark leaves behind is removed by the next one."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

import psutil

_MARK = "USER_PAGE_VIEWS_BENCHMARK"
"""A variable that all processes of a benchmark inherit: the folder of its data."""


@contextmanager
def only_benchmark(data: Path) -> Iterator[Path]:
    """An empty folder for the servers' files, while no other benchmark uses this folder of data.

    Raises:
        SystemExit: Another benchmark uses it.
    """
    data.mkdir(parents=True, exist_ok=True)
    # The lock ends with the process, so whatever is left now is of a killed one.
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Another benchmark uses {data}: wait for its end, or name another --folder.")
        folder = data.resolve() / "servers"
        _end_processes(str(data.resolve()))
        rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.environ[_MARK] = str(data.resolve())
        try:
            yield folder
        finally:
            rmtree(folder, ignore_errors=True)


def _end_processes(mark: str) -> None:
    left = []
    for process in psutil.process_iter():
        # Other users' processes do not show their variables.
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == mark and process.pid != os.getpid():
                process.terminate()
                left.append(process)
    for process in psutil.wait_procs(left, timeout=10)[1]:
        process.kill()
