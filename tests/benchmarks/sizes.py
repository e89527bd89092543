"""How much data the benchmarks use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How many logs there are; views include those that are sent twice."""

    days: int
    few_days: int
    views: int  # lines a day
    updates: int  # lines a day
    objects: int  # of page views, a day
    short: int  # days of the short history
    long: int
    times: int  # how often the days are repeated, to see how memory grows
    small_objects: int  # of 100 lines

    def lines(self, days: int) -> str:
        """The page views of some days, such as `31.5 M`."""
        return f"{days * self.views / 1e6:.4g} M"


SIZES = {
    "full": Size(30, 5, 1_050_000, 20_000, 4, short=10, long=120, times=10, small_objects=10_000),
    "medium": Size(5, 2, 1_050_000, 20_000, 4, short=2, long=24, times=4, small_objects=2_000),
    "small": Size(5, 2, 105_000, 2_000, 4, short=2, long=10, times=2, small_objects=500),
}
