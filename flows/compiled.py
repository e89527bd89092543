"""Functions compiled to machine code, for what looks at each byte of the logs or of the rows.

Python takes a thousand times as long for a byte, and DuckDB's JSON functions, made strict, three
times as long for a line (docs/performance.md). What is compiled is cached beside the source where
that can be written, else in the user's cache; where neither can, each process compiles anew.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


class _Cache(FunctionCache):
    """Numba's cache of a function's machine code, which holds for its parts as they are now.

    By itself it looks at the function's own file alone, and not at those of the functions that
    are put into it.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """As numba's, without all that could still be compiled, which takes it a third of a second.

        What is compiled needs numba's runtime alone.
        """
        rtsys.initialize(target_context)
        return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]

    def _index_key(self, *arguments: Any) -> tuple[Any, ...]:
        package = self._py_func.__module__.rpartition(".")[0]
        return (*super()._index_key(*arguments), _sources(package))  # type: ignore[no-untyped-call]


@cache
def _sources(package: str) -> str:
    """A hash of all modules that a package's compiled functions can be made of."""
    folders = {files("flows"), files(package)}
    content = [
        file.read_bytes()
        for folder in folders
        for file in folder.iterdir()
        if file.name.endswith(".py")
    ]
    return hashlib.sha256(b"".join(sorted(content))).hexdigest()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """A function compiled at its first call; it runs without Python's global lock.

    It works on numbers and arrays: what needs more of numba's runtime (text, lists, dictionaries)
    is not loaded with it from the cache.
    """
    made: Any = njit(nogil=True, error_model="numpy")(function)
    # Else there is no folder to cache in.
    with suppress(RuntimeError):
        made._cache = _Cache(function)  # type: ignore[no-untyped-call]
    result: Callable[P, R] = made
    return result


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A part of compiled functions, put into each of them."""
    made: Callable[P, R] = njit(nogil=True, forceinline=True, error_model="numpy")(function)
    return made


class Items(Protocol):
    """An array of integers, or a pointer to its items."""

    def __getitem__(self, at: int, /) -> int:
        """Item `at`."""

    def __setitem__(self, at: int, item: int, /) -> None:
        """Change item `at`."""


def _pointer(_context: Any, array: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), lowered


pointer = cast(Callable[[NDArray[Any]], Any], intrinsic(_pointer))
"""Where an array's items lie, for compiled code: `pointer(array)[n]` is its item n.

An array handed to a function is counted as in use, and counted out at its end, which takes longer
than most functions here; and its indices may be negative. A pointer has neither. The array must
outlive it: so never take the pointer of an array that the compiled function itself has made, which
is freed behind its last use, before the pointer's.
"""
