"""Spans of time: where extracts meet, duplicates can lie; elsewhere there are none."""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[int, int]
"""The first and the last instant, in microseconds since 1970."""


def alone(spans: Sequence[Span]) -> list[Span]:
    """For each span of time, the open interval between whose ends no other span reaches.

    Events there have no equal in another extract. The interval is empty where others reach
    everywhere; a span that lies within another one ends the other's interval.

    Args:
        spans: First and last instant of each.

    Returns:
        (after, before) of each span.
    """
    found = [(0, 0)] * len(spans)
    order = sorted(range(len(spans)), key=lambda number: spans[number])
    after = -2
    for place, number in enumerate(order):
        last = spans[number][1]
        before = spans[order[place + 1]][0] if place + 1 < len(order) else last + 1
        found[number] = (after, before)
        after = max(after, last)
    return found


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same spans of time, those that meet as one; ascending."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def meets(span: Span, spans: Sequence[Span]) -> bool:
    """Whether a span has an instant in common with any of these, which are `merged`."""
    place = bisect_right(spans, (span[1], sys.maxsize))
    return place > 0 and spans[place - 1][1] >= span[0]
