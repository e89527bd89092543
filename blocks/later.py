"""A part of somebody else's package that is loaded when it is asked for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import currentframe
from threading import Lock
from types import ModuleType
from typing import Any


class _Missing:
    """Stands for a name that is asked for later; a package may mark it as its own meanwhile."""


@contextmanager
def loaded_later(package: str, part: str, name: str) -> Iterator[None]:
    """While a package is loaded: one of its modules, from which it imports a name, is not.

    Afterwards the package has both still, and whoever asks for one of them loads the module. Where
    the package is there already, or imports other names from the module, nothing waits. Another
    thread that in just this moment imports a module within the module is told that it is none.

    Args:
        package: The package's name.
        part: The module's, within it.
        name: What the package imports from the module.
    """
    if package in sys.modules:
        yield
        return
    module, missing = f"{package}.{part}", _Missing()
    stand_in, lock = ModuleType(module), Lock()

    def leave() -> None:
        # The module itself comes to its place only after this.
        with lock:
            if sys.modules.get(module) is stand_in:
                del sys.modules[module]

    def given(asked: str) -> Any:
        if asked.startswith("__"):
            raise AttributeError(asked)
        leave()
        # Only the package can do without: whoever else comes in this moment has the module itself.
        frame = currentframe()
        asks = frame and frame.f_back and frame.f_back.f_globals.get("__name__")
        if (asks, asked) == (package, name):
            return missing
        return getattr(import_module(module), asked)

    def asked_for(asked: str) -> Any:
        if asked not in (part, name):
            raise AttributeError(f"module {package!r} has no attribute {asked!r}")
        loaded = import_module(module)
        setattr(sys.modules[package], name, getattr(loaded, name))
        return getattr(sys.modules[package], asked)

    def without() -> None:
        names = vars(sys.modules[package]) if package in sys.modules else {}
        if names.get(name) is missing:
            if "__getattr__" in names:  # which may have much else to give
                names[name] = getattr(import_module(module), name)
            else:
                names["__getattr__"] = asked_for
                del names[name]

    vars(stand_in)["__getattr__"] = given
    sys.modules.setdefault(module, stand_in)
    try:
        yield
    finally:
        leave()
        without()
