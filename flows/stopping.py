"""Stop a run's threads promptly if its flow ends early.

When a worker is stopped or a run is cancelled, Prefect raises an exception in the flow's thread, and waits for the
threads of its tasks. These threads check here whether to go on.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flows.errors import PipelineError


class Stopped(PipelineError):
    """The flow run has ended: the rest of this work is not needed."""


class _Stop:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ended = threading.Event()
        self._interrupts: dict[object, Callable[[], object]] = {}

    def set(self) -> None:
        self.ended.set()
        # An interrupt between two calls is lost, so it is repeated until all threads have left.
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
    """Within a flow: if it ends with an exception, its tasks end soon after.

    A signal is an exception too.
    """
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
    """Raise if the flow has ended.

    Raises:
        Stopped: It has.
    """
    stop = _current.get()
    if stop is not None:
        stop.check()


def pause(seconds: float) -> None:
    """Wait between two tries, but not longer than the flow runs.

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
    """Within: if the flow ends early, another thread calls `interrupt` to end a long call.

    Raises:
        Stopped: The flow has ended already.
    """
    stop = _current.get()
    if stop is None:
        yield
        return
    with stop.calling(interrupt):
        yield
