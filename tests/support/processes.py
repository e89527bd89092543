"""Flow runs in separate processes, which start fast and may be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    temporary_settings,
)

from flows.summary import RunSummary
from flows.user_page_views import user_page_views

# Forked from a process that has imported everything and has no threads, so a run starts at once.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.support.processes"])
SECONDS = 120


class Run:
    """A run of the main flow in another process; `peak` is its memory in MiB, once it has ended."""

    peak = 0

    def __init__(self, environment: str, id: str, scratch: Path) -> None:
        self._answer, theirs = _processes.Pipe(duplex=False)
        self.process: BaseProcess = _processes.Process(
            target=_run, args=(environment, id, str(scratch), PREFECT_API_URL.value(), theirs)
        )
        self.process.start()
        theirs.close()

    def kill(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; after SIGKILL, wait for the end."""
        assert self.process.pid is not None
        os.kill(self.process.pid, sign)
        if sign is signal.SIGKILL:
            # Not join: only one thread may ask for the exit code, and `end` does.
            wait([self.process.sentinel], SECONDS)

    def end(self) -> int:
        """Wait for the process to end; return its exit code."""
        self.process.join(SECONDS)
        assert self.process.exitcode is not None, "the run did not end"
        return self.process.exitcode

    def summary(self, seconds: float = SECONDS) -> RunSummary:
        """Wait for the run to succeed; return its summary."""
        try:
            assert self._answer.poll(seconds), "the run did not end"
            answer = self._answer.recv()
        finally:
            self.end()
        assert isinstance(answer, tuple), answer
        summary, self.peak = answer
        return RunSummary.model_validate_json(summary)


def _run(environment: str, id: str, scratch: str, api: str | None, answer: Connection) -> None:
    tempfile.tempdir = scratch
    settings = {PREFECT_API_URL: api, PREFECT_SERVER_ANALYTICS_ENABLED: False, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(settings):
        try:
            summary = user_page_views(id=id, environment=environment).model_dump_json()
            answer.send((summary, peak_mib()))
        except Exception as error:  # the test shows it
            answer.send(error)


def peak_mib() -> int:
    """The most memory that this process ever had, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


@contextmanager
def running(environment: str, id: str, scratch: Path) -> Iterator[Run]:
    """A run in another process, killed at the end if it still runs."""
    run = Run(environment, id, scratch)
    try:
        yield run
    finally:
        if run.process.is_alive():
            run.kill()
