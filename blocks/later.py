"""Modules of others that are loaded when they are needed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def functions_later(module: str) -> Iterator[None]:
    """While other modules are loaded: the functions that they import from this one load it.

    That is, each of them does so when it is called for the first time.
    """
    if module in sys.modules:
        yield
        return
    stand_in = ModuleType(module)
    setattr(stand_in, "__getattr__", lambda name: _later(module, name))  # noqa: B010
    sys.modules[module] = stand_in
    try:
        yield
    finally:
        del sys.modules[module]


def _later(module: str, name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)

    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)

    return call
