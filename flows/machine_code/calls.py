"""Calls of machine code: Python's arguments handed over as numba's compiled functions take them.

Such a function takes, in this order: where its results go, where an error would go, and its
arguments one behind the other. Of an array those are its owner (twice; nobody here), how many items
it has and the bytes of one, where they lie, and for each dimension its length and its step. It
returns 0. `compiling` checks that the function it has made takes just these.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np

Flat = list[Any]


@dataclass(frozen=True)
class Number:
    """An integer of 64 bits, or a boolean, which has eight."""

    type: type[int]

    @property
    def flat(self) -> list[Any]:
        """The types of the arguments that it is handed over as."""
        return [ctypes.c_int8 if self.type is bool else ctypes.c_int64]

    def put(self, flat: Flat, value: Any) -> None:
        """Hand a value over, whole: ctypes would cut it."""
        number = operator.index(value)
        if not -(2**63) <= number < 2**63:
            raise OverflowError(f"{number} has more than 64 bits")
        flat.append(number)


@dataclass(frozen=True)
class Array:
    """An array of integers."""

    dtype: np.dtype[Any]
    dimensions: int

    @property
    def flat(self) -> list[Any]:
        """The types of the arguments that it is handed over as."""
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        return [pointer, pointer, integer, integer, pointer, *[integer] * (2 * self.dimensions)]

    def put(self, flat: Flat, value: Any) -> None:
        """Hand a value over; nothing behind it would see that it is another kind of array."""
        flags = value.flags
        if (
            type(value) is not np.ndarray  # a masked one has values that are none
            or value.dtype != self.dtype
            or value.ndim != self.dimensions
            or not (flags.c_contiguous and flags.aligned)
        ):
            kind = f"{type(value).__name__} of {value.dtype}, {value.ndim} dimensions"
            raise TypeError(f"{kind}, not {self}, in its place and order")
        place, _ = value.__array_interface__["data"]
        flat += (None, None, value.size, value.itemsize, place, *value.shape, *value.strides)


@dataclass(frozen=True)
class Tuple:
    """A named tuple of arrays."""

    type: type
    members: tuple[Array, ...]

    @property
    def flat(self) -> list[Any]:
        """The types of the arguments that it is handed over as."""
        return [one for member in self.members for one in member.flat]

    def put(self, flat: Flat, value: Any) -> None:
        """Hand a value over."""
        for member, part in zip(self.members, value, strict=True):
            member.put(flat, part)


@dataclass(frozen=True)
class Shape:
    """What a function takes, and how many integers it gives (None: one, which is no tuple)."""

    parameters: tuple[Number | Array | Tuple, ...]
    results: int | None

    @property
    def flat(self) -> list[Any]:
        """The types of all arguments."""
        return [one for parameter in self.parameters for one in parameter.flat]


def shape_of(function: Callable[..., Any]) -> Shape:
    """What a function's annotations say."""
    hints = get_type_hints(function, include_extras=True)
    returned = hints.pop("return")
    results = None if returned is int else len(get_args(returned))
    return Shape(tuple(_kind(hint) for hint in hints.values()), results)


def _kind(hint: Any) -> Number | Array | Tuple:
    if hint in (int, bool):
        return Number(hint)
    dimensions = 1
    if get_origin(hint) is Annotated:
        hint, dimensions = get_args(hint)
    if get_origin(hint) is np.ndarray:
        [scalar] = get_args(get_args(hint)[1])
        return Array(np.dtype(scalar), dimensions)
    if hasattr(hint, "_fields"):
        members = [_kind(one) for one in get_type_hints(hint, include_extras=True).values()]
        arrays = tuple(one for one in members if isinstance(one, Array))
        if len(arrays) == len(members):
            return Tuple(hint, arrays)
    raise TypeError(f"{hint} is no integer, boolean, array or named tuple of arrays")


class Call:
    """Machine code that can be called.

    Args:
        shape: What it takes and gives.
        address: Where it lies.
    """

    def __init__(self, shape: Shape, address: int) -> None:
        self._parameters = shape.parameters
        self._results = shape.results
        # There is room for something even where nothing is given.
        self._room = ctypes.c_int64 * max(1, shape.results or 1)
        pointers = [ctypes.c_void_p, ctypes.c_void_p]
        prototype = ctypes.CFUNCTYPE(ctypes.c_int32, *pointers, *shape.flat)
        self._code = prototype(address)

    def __call__(self, arguments: Sequence[Any]) -> Any:
        """Call it; other threads go on meanwhile."""
        flat: Flat = []
        for parameter, argument in zip(self._parameters, arguments, strict=True):
            parameter.put(flat, argument)
        room, error = self._room(), ctypes.c_void_p()
        status = self._code(ctypes.addressof(room), ctypes.addressof(error), *flat)
        if status != 0:
            raise AssertionError(f"compiled code ended with {status}")
        if self._results is None:
            return room[0]
        return tuple(room) if self._results else None
