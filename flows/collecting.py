"""Python's search for objects that nobody uses, kept from what is known to stay.

Modules make hundreds of thousands of objects, which stay. Python looks through all of them again
whenever there are a quarter more: a tenth of the time that a run takes to start.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_freezing: ContextVar[bool] = ContextVar("freezing", default=False)
"""Whether what is frozen is thawed at the end of the flow."""


@contextmanager
def nothing_collected() -> Iterator[None]:
    """While modules are loaded: no search, and none through just them afterwards."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Of threads at once the one that came first found it enabled, so it never stays disabled.
        if searching:
            _count_as_old()
            gc.enable()


def _count_as_old() -> None:
    """Let all that there is be looked at only by a search through everything.

    The objects of modules are as young as any when the search is enabled, which would begin with
    them at once: 0.15 of the 2 s that a flow takes to be imported.
    """
    if _freezing.get():
        gc.freeze()
    elif gc.get_freeze_count() == 0:  # what a caller has frozen would be thawed too
        gc.freeze()
        gc.unfreeze()


@contextmanager
def older_objects_left_alone() -> Iterator[None]:
    """Within a flow: searches look at what it makes, and not at what was there before."""
    # What the caller has frozen stays so; of flows at once the first one ends it for all.
    free = gc.get_freeze_count() == 0
    gc.freeze()
    token = _freezing.set(free)
    try:
        yield
    finally:
        _freezing.reset(token)
        if free:
            gc.unfreeze()
