"""What a compiled function is made of, however it came into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Set
from functools import cache
from importlib.util import find_spec
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from flows.machine_code.calls import Shape

_COMPILER = ("flows.machine_code.compiling", "flows.machine_code.calls")
_PLAIN = (bool, int, float, str, bytes, np.generic, type(None))


def globals_of(function: Any) -> dict[str, Any]:
    """The global names that a function uses, with what they stand for."""
    code = function.__code__
    return {
        name: function.__globals__[name] for name in code.co_names if name in function.__globals__
    }


def hash_of(function: Callable[..., Any], shape: Shape, parts: Set[Callable[..., Any]]) -> str:
    """A hash of a function, of all that it calls and uses, and of what compiles it.

    Of the code in memory: the files that it was read from may have changed since.

    Args:
        function: The function.
        shape: What it takes and gives.
        parts: The functions that may be put into it.

    Raises:
        TypeError: It uses something that cannot be told from something else.
    """
    found = [repr(shape), *_compiler()]
    done, waiting = set[Any](), [function]
    while waiting:
        one: Any = waiting.pop()
        if one in done:
            continue
        done.add(one)
        found += [one.__name__, repr(one.__defaults__), *_code(one.__code__)]
        for name, value in globals_of(one).items():
            if isinstance(value, FunctionType) and value in parts:
                waiting.append(value)
            found.append(f"{name}: {_value(value)}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


@cache
def _compiler() -> list[str]:
    """The code that compiles and that calls, which is not loaded for it."""
    loaders: Any = [getattr(find_spec(name), "loader", None) for name in _COMPILER]
    return [
        line
        for name, loader in zip(_COMPILER, loaders, strict=True)
        for line in _code(loader.get_code(name))
    ]


def _code(code: CodeType) -> Iterator[str]:
    yield f"{code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _code(one)
        else:  # the order of a set is another one in each process
            yield repr(sorted(map(repr, one)) if isinstance(one, frozenset) else one)


def _value(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, FunctionType):
        # Of the parts the code itself is in the hash.
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__} {getattr(value, '_fields', '')}"
    raise TypeError(f"{value!r} cannot be used by compiled code")
