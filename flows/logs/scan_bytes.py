"""Runs of bytes, eight at a time, by compiled code: found equal, hashed, walked."""

import numpy as np

from flows.logs.hashing import mixed
from flows.machine_code.functions import Items, inlined
from flows.machine_code.primitives import WORD, first_bit, word

_ONES, _HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _BACKSLASHES = _ONES * np.uint64(0x22), _ONES * np.uint64(0x5C)
_SPACES = _ONES * np.uint64(0x20)


@inlined
def same_bytes(data: Items, at: int, other: Items, other_at: int, size: int) -> bool:
    """Whether two runs of bytes, which must both be there, are equal."""
    done = 0
    if size >= WORD:
        while done + WORD < size:
            if word(data, at + done) != word(other, other_at + done):
                return False
            done += WORD
        # The last word may hold bytes of the one before.
        done = size - WORD
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
    if end - start >= WORD:
        at = start
        while at + WORD < end:
            hashed = (hashed ^ word(data, at)) * np.uint64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> np.uint64(32)
            at += WORD
        return mixed(hashed ^ word(data, end - WORD))
    last = np.uint64(0)
    for at in range(start, end):
        last = (last << np.uint64(8)) | np.uint64(data[at])
    return mixed(hashed ^ last)


@inlined
def plain_end(data: Items, at: int, size: int) -> int:
    """The first place of a quote, a backslash or a control character.

    There must be one before `size`, where the data end.
    """
    while at + WORD <= size:
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
        at += WORD
    while data[at] != 0x22 and data[at] != 0x5C and data[at] >= 0x20:
        at += 1
    return at
