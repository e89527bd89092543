"""A part of somebody else's package that is loaded when it is asked for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def loaded_later(package: str, part: str, name: str) -> Iterator[None]:
    """While a package is loaded: one of its modules, from which it imports a name, is not.

    Afterwards the package has both, and whoever asks for one of them loads the module. Where the
    package is there already, or imports other names from it, nothing waits.

    Args:
        package: The package's name.
        part: The module's, within it.
        name: What the package imports from the module.
    """
    module, missing = f"{package}.{part}", object()
    if package in sys.modules:
        yield
        return
    stand_in = ModuleType(module)

    def leave() -> None:
        if sys.modules.get(module) is stand_in:
            del sys.modules[module]

    def given(asked: str) -> object:
        if asked.startswith("__"):
            raise AttributeError(asked)
        # It is the package that asks, whose lock keeps others from meeting the stand-in.
        leave()
        return missing if asked == name else getattr(import_module(module), asked)

    def asked_for(asked: str) -> Any:
        if asked not in (part, name):
            raise AttributeError(f"module {package!r} has no attribute {asked!r}")
        loaded = import_module(module)
        return loaded if asked == part else getattr(loaded, name)

    vars(stand_in)["__getattr__"] = given
    sys.modules[module] = stand_in
    try:
        yield
    finally:
        leave()
    names = vars(sys.modules[package])
    if names.get(name) is missing:
        del names[name]
        names["__getattr__"] = asked_for
