"""Lines of CSV that hold an odd number of quotes, found by compiled code."""

import numpy as np
from numpy.typing import NDArray

from flows.machine_code.functions import compiled
from flows.machine_code.primitives import pointer

_QUOTE, _LF = b'"\n'


@compiled
def odd_quoted_lines(data: NDArray[np.uint8], at: int, found: NDArray[np.int64]) -> tuple[int, int]:
    """Find lines with an odd number of quotes, until their end or until there is no more room.

    Args:
        data: Lines; the last one may not have ended.
        at: Where the next line starts.
        found: Takes where each of them starts.

    Returns:
        Where the next line starts, and how many are found.
    """
    items = pointer(data)
    start, count, odd = at, 0, False
    while at < data.size and count < found.size:
        byte = items[at]
        at += 1
        if byte == _QUOTE:
            odd = not odd
        elif byte == _LF:
            if odd:
                found[count] = start
                count += 1
            start, odd = at, False
    if odd:
        found[count] = start
        count += 1
    return at, count
