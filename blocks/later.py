"""What somebody else imports, loaded when it is asked for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from inspect import currentframe
from threading import Lock
from types import ModuleType
from typing import Any


class _Missing:
    """Stands for a name that a package will be asked for; a package may mark it as its own."""


@contextmanager
def imported_later(*modules: str) -> Iterator[None]:
    """Within: who imports one of these modules whole has a stand-in, which loads it when used.

    Whoever takes a name from it, or imports a module within it, loads it at once. Afterwards who
    imports it has the module itself.

    Args:
        modules: Names without a dot. A module that is loaded or not installed stays as it is.
    """
    stand_ins = {name: made for name in modules if (made := _stand_in(name))}
    for name, stand_in in stand_ins.items():
        sys.modules.setdefault(name, stand_in)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            _leave(name, stand_in)


def _stand_in(name: str) -> ModuleType | None:
    spec = None if name in sys.modules else find_spec(name)
    if spec is None:
        return None
    stand_in = module_from_spec(spec)

    def of_the_module(asked: str) -> Any:
        _leave(name, stand_in)
        return getattr(import_module(name), asked)

    names = vars(stand_in)
    # Python asks for a module's place before it imports one within it.
    names.pop("__path__", None)
    names["__getattr__"] = of_the_module
    return stand_in


_leaving = Lock()


def _leave(name: str, stand_in: ModuleType) -> None:
    """Make place for the module itself, which takes it only after this."""
    with _leaving:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


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
    stand_in = ModuleType(module)

    def given(asked: str) -> Any:
        if asked.startswith("__"):
            raise AttributeError(asked)
        _leave(module, stand_in)
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
        _leave(module, stand_in)
        without()
