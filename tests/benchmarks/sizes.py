"""How large the benchmarks' data are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How many logs there are.

    Attributes:
        days: How many days.
        views: Lines of page views a day, the ones sent twice among them.
        updates: Lines of user updates a day.
        objects: Objects of page views a day.
        few_days, many_days: Two histories, to see how a daily run grows with them.
        times: How often the days are repeated, to see how memory grows with them.
        small_objects: How many objects of 100 lines.
    """

    days: int
    views: int
    updates: int
    objects: int
    few_days: int
    many_days: int
    times: int
    small_objects: int


SIZES = {
    "full": Size(
        30, 1_050_000, 20_000, 4, few_days=10, many_days=120, times=10, small_objects=10_000
    ),
    "medium": Size(
        5, 1_050_000, 20_000, 4, few_days=2, many_days=24, times=4, small_objects=10_000
    ),
    "small": Size(5, 105_000, 2_000, 4, few_days=2, many_days=10, times=2, small_objects=500),
}
