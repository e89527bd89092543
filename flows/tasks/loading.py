"""What a run loads while it lists the logs: later one core would wait for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from importlib import import_module

from flows.collecting import nothing_collected
from flows.stopping import check_stop

_MODULES = ("flows.logs.extract", "flows.tasks.make_summary", "flows.tasks.publish_summary")
_pool: ContextVar[ThreadPoolExecutor | None] = ContextVar("loading", default=None)


@contextmanager
def loading() -> Iterator[None]:
    """Around a flow: has a thread for `load_ahead`, and waits for its end.

    A flow that ends early must have told so before, or its tasks would go on meanwhile.
    """
    with ThreadPoolExecutor(1) as pool:
        token = _pool.set(pool)
        try:
            yield
        finally:
            _pool.reset(token)


def load_ahead() -> None:
    """Load, in a thread, what parses, counts and publishes.

    What goes wrong in it is met again, and told, where it is needed.
    """
    pool = _pool.get()
    if pool is not None:
        pool.submit(copy_context().run, load)


def load() -> None:
    """Load all that the stages need."""
    with nothing_collected():
        for name in _MODULES:
            import_module(name)
        from flows.machine_code.functions import all_compiled
    for function in all_compiled():
        check_stop()
        function.load()
