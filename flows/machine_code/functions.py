"""Functions compiled to machine code, for what looks at each byte of the logs or of the rows.

Python takes a thousand times as long for a byte, and DuckDB's JSON functions, made strict, three
times as long for a line (docs/performance.md). Numba compiles them, and only that loads it
(decision 16): so what is marked here is plain Python to whoever imports it.
"""

import threading
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from flows.machine_code.calls import Call, Shape, shape_of
from flows.machine_code.kept import kept_code
from flows.machine_code.source import hash_of

P = ParamSpec("P")
R = TypeVar("R")

parts: set[Callable[..., Any]] = set()
"""All functions that are put into compiled ones."""

_compiled: "list[Compiled]" = []


class Items(Protocol):
    """An array of integers, or a pointer to its items."""

    def __getitem__(self, at: int, /) -> int:
        """Item `at`."""

    def __setitem__(self, at: int, item: int, /) -> None:
        """Change item `at`."""


Matrix = Annotated[NDArray[np.int64], 2]
"""Rows of integers: an array of two dimensions."""


class Compiled:
    """A function that is machine code from its first call on."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self._lock = threading.Lock()
        self._call: Call | None = None

    @property
    def loaded(self) -> bool:
        """Whether the machine code is in memory."""
        return self._call is not None

    def load(self) -> Call:
        """The machine code: as it is kept, or else compiled now, which takes seconds."""
        with self._lock:
            if self._call is None:
                function, shape = self.function, shape_of(self.function)
                made_of = hash_of(function, shape, parts)
                address = kept_code(function, made_of, lambda: self._compile(shape))
                self._call = Call(shape, address)
        return self._call

    def _compile(self, shape: Shape) -> tuple[str, bytes]:
        from flows.machine_code.compiling import object_code

        return object_code(self.function, shape, parts)

    def __call__(self, *arguments: Any) -> Any:
        return (self._call or self.load())(arguments)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """A function compiled when it is first called; it runs without Python's global lock.

    It takes integers, booleans, arrays (one item behind the other, as in C, of one dimension, but
    for a `Matrix`) and named tuples of arrays, and gives an integer, some of them or nothing, as
    its annotations say. It makes no arrays, and no errors: a wrong index is a crash, and so is a
    change of an array that may only be read.
    """
    made = Compiled(function)
    _compiled.append(made)
    return cast(Callable[P, R], made)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A part of compiled functions, put into each of them."""
    parts.add(function)
    return function


def all_compiled() -> tuple[Compiled, ...]:
    """All compiled functions of the modules that are imported."""
    return tuple(_compiled)
