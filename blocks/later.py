"""Modules of others that are loaded when they are needed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def functions_later(module: str, *functions: str) -> Iterator[None]:
    """While other modules are loaded: what they import from this one does not load it yet.

    Args:
        module: Its name.
        functions: Its functions that load it when they are called; whoever imports another name
            from it has it loaded at once.
    """
    if module in sys.modules:
        yield
        return
    stand_in = ModuleType(module)

    def given(name: str) -> Any:
        if name in functions:
            return _later(module, name)
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(module) is stand_in:
            del sys.modules[module]
        return getattr(import_module(module), name)

    vars(stand_in)["__getattr__"] = given
    sys.modules[module] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(module) is stand_in:
            del sys.modules[module]


def _later(module: str, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)

    return call
