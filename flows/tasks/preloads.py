"""Within a flow: the transaction that takes rows in while they are counted, until it publishes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

from blocks.environment import Environment
from flows.tasks.places import warehouse_of
from flows.tasks.scratch import scratch_folder

if TYPE_CHECKING:  # else a run that finds its id published would load all that counts
    from flows.logs.summarise import Counting, Take
    from flows.warehouse.preload import Preload


class _Kept:
    """A preload by the name of the summary whose rows it takes in."""

    def __init__(self) -> None:
        self.name = ""
        self.preload: Preload | None = None
        self.stack = ExitStack()

    def drop(self) -> None:
        self.name, self.preload = "", None
        self.stack.close()


_kept: ContextVar[_Kept | None] = ContextVar("preload", default=None)


@contextmanager
def keeping_preload() -> Iterator[None]:
    """Within a flow: what one task begins, another ends; at the flow's end nothing is left."""
    kept = _Kept()
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)
        kept.drop()


@contextmanager
def preloading(block: Environment, name: str) -> Iterator["Counting | None"]:
    """While a summary is made: what takes its rows in (None: nothing). It lives on if all is well.

    Args:
        block: The environment.
        name: Of the summary.
    """
    kept = _kept.get()
    if kept is None:
        yield None
        return
    kept.drop()
    try:
        yield partial(_start, kept, block, name)
    except BaseException:
        # It holds the environment's lock, which the run may need for its next try.
        kept.drop()
        raise


def _start(kept: _Kept, block: Environment, name: str, urls: Path, latest: Path) -> "Take | None":
    from flows.warehouse.preload import Preload

    with ExitStack() as stack:
        # The files are moved when they are stored, which may be before the last row is copied.
        folder = stack.enter_context(scratch_folder())
        copies = [Path(copyfile(path, folder / path.name)) for path in (urls, latest)]
        preload = Preload.start(stack.enter_context(warehouse_of(block)), *copies)
        if preload is None:
            return None
        stack.callback(preload.close)
        kept.name, kept.preload, kept.stack = name, preload, stack.pop_all()
    return preload.add


@contextmanager
def kept_preload(name: str) -> Iterator["Preload | None"]:
    """The preload of a summary, if there is one; afterwards none is left."""
    kept = _kept.get()
    if kept is None:
        yield None
        return
    try:
        if kept.name != name:
            kept.drop()
        yield kept.preload
    finally:
        kept.drop()
