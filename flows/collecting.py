"""Python's search for objects that nobody uses, kept from what is known to stay.

Modules make hundreds of thousands of objects, which stay. Python looks through all of them again
whenever there are a quarter more: a tenth of the time that a run takes to start.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """While modules are loaded: no search."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Of threads at once the one that came first found it enabled, so it never stays disabled.
        if searching:
            gc.enable()


@contextmanager
def older_objects_left_alone() -> Iterator[None]:
    """Within a flow: searches look at what it makes, and not at what was there before."""
    # What the caller has frozen stays so; of flows at once the first one ends it for all.
    free = gc.get_freeze_count() == 0
    gc.freeze()
    try:
        yield
    finally:
        if free:
            gc.unfreeze()
