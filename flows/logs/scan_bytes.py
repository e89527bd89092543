"""Runs of bytes, eight at a time, by compiled code: found equal, hashed, walked."""

from typing import Any, cast

import numpy as np
from numba import types
from numba.extending import intrinsic

from flows.compiled import Items, inlined
from flows.logs.hashing import mixed

_WORD = 8
_ONES, _HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _BACKSLASHES = _ONES * np.uint64(0x22), _ONES * np.uint64(0x5C)
_SPACES = _ONES * np.uint64(0x20)


def _word(_context: Any, _items: Any, _at: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        whole = context.get_value_type(types.uint64).as_pointer()
        return builder.load(builder.bitcast(place, whole), align=1)

    return types.uint64(types.CPointer(types.uint8), types.int64), lowered


word = cast(Any, intrinsic(_word))
"""The eight bytes that start at a place, as a number; they must all be there."""


def _first_bit(_context: Any, _bits: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.int64(types.uint64), lowered


first_bit = cast(Any, intrinsic(_first_bit))
"""The place of the lowest bit that is set; there must be one."""


@inlined
def same_bytes(data: Items, at: int, other: Items, other_at: int, size: int) -> bool:
    """Whether two runs of bytes, which must both be there, are equal."""
    done = 0
    if size >= _WORD:
        while done + _WORD < size:
            if word(data, at + done) != word(other, other_at + done):
                return False
            done += _WORD
        # The last word may hold bytes of the one before.
        done = size - _WORD
        same: bool = word(data, at + done) == word(other, other_at + done)
        return same
    while done < size:
        if data[at + done] != other[other_at + done]:
            return False
        done += 1
    return True


@inlined
def hash_of_bytes(data: Items, start: int, end: int) -> np.uint64:
    """A hash of a run of bytes."""
    hashed = np.uint64(end - start)
    if end - start >= _WORD:
        at = start
        while at + _WORD < end:
            hashed = (hashed ^ word(data, at)) * np.uint64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> np.uint64(32)
            at += _WORD
        return mixed(hashed ^ word(data, end - _WORD))
    last = np.uint64(0)
    for at in range(start, end):
        last = (last << np.uint64(8)) | np.uint64(data[at])
    return mixed(hashed ^ last)


@inlined
def plain_end(data: Items, at: int, size: int) -> int:
    """The first place of a quote, a backslash or a control character.

    There must be one before `size`, where the data end.
    """
    while at + _WORD <= size:
        bytes_ = word(data, at)
        quotes, backslashes = bytes_ ^ _QUOTES, bytes_ ^ _BACKSLASHES
        # A byte's high bit stays where the byte is nought (Mycroft's test), or below a space.
        found = (quotes - _ONES) & ~quotes
        found |= (backslashes - _ONES) & ~backslashes
        found |= (bytes_ - _SPACES) & ~bytes_
        found &= _HIGHS
        if found:
            # A byte is found wrongly only behind one that is found rightly.
            place: int = at + (first_bit(found) >> 3)
            return place
        at += _WORD
    while data[at] != 0x22 and data[at] != 0x5C and data[at] >= 0x20:
        at += 1
    return at
