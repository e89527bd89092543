"""What compiled functions do that Python has no words for: an instruction or two of the machine."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

WORD = 8
"""Bytes of a word."""


def pointer(array: NDArray[Any]) -> NDArray[Any]:
    """Where an array's items lie: `pointer(array)[n]` is its item n.

    An array's indices may be negative, which takes longer than most functions here; a pointer's may
    not.
    """
    return array.reshape(-1)


def word(items: Any, at: int) -> np.uint64:
    """The eight bytes that start at a place, as a number; they must all be there."""
    found: np.uint64 = np.frombuffer(bytes(items[at : at + WORD]), np.uint64)[0]
    return found


def first_bit(bits: np.uint64) -> int:
    """The place of the lowest bit that is set; there must be one."""
    return (int(bits) & -int(bits)).bit_length() - 1
