"""Commands on a pseudo-terminal, where programs ask questions that they do not ask in a pipe."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path

_STYLES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")


def run_on_a_terminal(
    command: list[str], variables: Mapping[str, str], folder: Path, seconds: float = 120
) -> tuple[int, str]:
    """Run a command on a terminal of 80 columns on which nobody types; return its exit code and what it
    showed, without colours. If it waits for an answer, an AssertionError shows what it asked.
    """
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    size = ("COLUMNS", "LINES")  # they would count more than the terminal itself
    environment = {name: value for name, value in variables.items() if name not in size}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, end = b"", time.monotonic() + seconds
    try:
        while select.select([ours], [], [], max(0, end - time.monotonic()))[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the last process has closed the terminal
                piece = b""
            shown += piece
            if not piece:
                return process.wait(max(1, end - time.monotonic())), _text(shown)
        raise AssertionError(f"{command} did not end:\n{_text(shown)}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _text(shown: bytes) -> str:
    return _STYLES.sub(b"", shown).decode().replace("\r\n", "\n")
