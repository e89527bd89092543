"""A hash for compiled code."""

import numpy as np

from flows.machine_code.functions import inlined


@inlined
def mixed(value: np.uint64) -> np.uint64:
    """A hash of 64 bits (the finalizer of MurmurHash3, public domain)."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))
