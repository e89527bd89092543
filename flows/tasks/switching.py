"""Threads that wait less for Python's global lock.

A thread that comes back from compiled code, from DuckDB or from a socket asks for the lock, and
whoever holds it need not look up for 5 ms, in which the other may have nothing left to do.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_SECONDS = 0.001
_lock = Lock()
_before: list[float] = []
"""For each flow that is within `switching_often`, what the first one has found."""


@contextmanager
def switching_often() -> Iterator[None]:
    """Within a flow: the lock is handed over after a millisecond, in the whole process."""
    with _lock:
        _before.append(_before[0] if _before else sys.getswitchinterval())
        _set(min(_SECONDS, _before[0]))
    try:
        yield
    finally:
        with _lock:
            before = _before.pop()
            if not _before:
                _set(before)


def _set(seconds: float) -> None:
    # Python cuts it to whole microseconds.
    sys.setswitchinterval(seconds + 5e-7)
