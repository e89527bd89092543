"""Ending promptly: what a flow run's threads do when the flow ends early.

Prefect raises in the flow's own thread when a worker is stopped or a run is cancelled, and waits
for the threads of its tasks. Those look here whether they are still wanted.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flows.errors import PipelineError


class Stopped(PipelineError):
    """The flow run has ended; the rest of this work is not wanted."""


class _Stop:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ended = threading.Event()
        self._interrupts: dict[object, Callable[[], object]] = {}

    def set(self) -> None:
        self.ended.set()
        # An interrupt that comes between two calls is lost, so it comes again until all have left.
        while self._interrupts:
            with self._lock:
                for interrupt in self._interrupts.values():
                    interrupt()
            time.sleep(0.05)

    def check(self) -> None:
        if self.ended.is_set():
            raise Stopped("The flow run has ended.")

    @contextmanager
    def calling(self, interrupt: Callable[[], object]) -> Iterator[None]:
        token = object()
        with self._lock:
            self.check()
            self._interrupts[token] = interrupt
        try:
            yield
        finally:
            with self._lock:
                del self._interrupts[token]


_current: ContextVar[_Stop | None] = ContextVar("stop", default=None)


@contextmanager
def stopping_with_the_flow() -> Iterator[None]:
    """Within a flow: when it ends by an exception, a signal's too, its tasks end soon after."""
    stop = _Stop()
    token = _current.set(stop)
    try:
        yield
    except BaseException:
        stop.set()
        raise
    finally:
        _current.reset(token)


def check_stop() -> None:
    """Go on, unless the flow has ended.

    Raises:
        Stopped: It has.
    """
    stop = _current.get()
    if stop is not None:
        stop.check()


def pause(seconds: float) -> None:
    """Wait between two tries, but no longer than the flow lasts.

    Raises:
        Stopped: The flow has ended.
    """
    stop = _current.get()
    if stop is None:
        time.sleep(seconds)
    else:
        stop.ended.wait(seconds)
        stop.check()


@contextmanager
def interrupted_by_stop(interrupt: Callable[[], object]) -> Iterator[None]:
    """Within: when the flow ends, `interrupt` is called, from another thread, to end a long call.

    Raises:
        Stopped: The flow has ended already.
    """
    stop = _current.get()
    if stop is None:
        yield
        return
    with stop.calling(interrupt):
        yield
