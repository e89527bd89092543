"""Spans of time: two objects can contain the same record only where their spans overlap."""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[int, int]
"""The first and the last instant, in microseconds since 1970."""


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in ascending order, with those that overlap merged."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def overlaps(span: Span, spans: Sequence[Span]) -> bool:
    """Whether a span overlaps any of these, which are `merged`."""
    place = bisect_right(spans, (span[1], sys.maxsize))
    return place > 0 and spans[place - 1][1] >= span[0]
