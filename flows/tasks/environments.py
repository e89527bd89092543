"""Environments by name; within a flow each is asked of Prefect's server once."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from blocks.environment import Environment
from blocks.load import load_environment

_kept: ContextVar[dict[str, Environment] | None] = ContextVar("environments", default=None)


@contextmanager
def keeping_environments() -> Iterator[None]:
    """Within a flow: its tasks find the blocks as they were when it began.

    For each load the server puts the blocks together anew, which takes it 0.1 s.
    """
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def environment_of(name: str) -> Environment:
    """As `load_environment`; a task that runs elsewhere than its flow loads for itself."""
    kept = _kept.get()
    if kept is None:
        return load_environment(name)
    if name not in kept:
        kept[name] = load_environment(name)
    return kept[name]
