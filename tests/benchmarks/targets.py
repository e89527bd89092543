"""What each case must reach."""

from dataclasses import dataclass

from tests.benchmarks.sizes import Size


@dataclass(frozen=True)
class Target:
    """A limit for one figure: the lowest good one, or the highest good one.

    `what` and `unit` may name fields of `Size`.
    """

    what: str
    at_least: bool
    limit: float
    unit: str

    def name(self, size: Size) -> str:
        """What is measured, at this size."""
        lines = {"lines": size.lines(size.days), "few_lines": size.lines(size.few_days)}
        return self.what.format(size=size, **lines)

    @property
    def bound(self) -> str:
        """Such as `at least 0.85`."""
        return f"at {'least' if self.at_least else 'most'} {self.limit:,g}"

    def is_met(self, value: float) -> bool:
        """Whether a figure is within the limit."""
        return value >= self.limit if self.at_least else value <= self.limit


_FASTER = "times as fast as the script over everything"

TARGETS = {
    "next-day": [
        Target("the next day after {size.days}, fresh container", True, 3, _FASTER),
        Target("fresh container, beyond a warm place", False, 3, "s more"),
        Target("the next day, warm", True, 3, _FASTER),
    ],
    "next-day-random-emails": [Target("the next day, warm, random emails", True, 2, _FASTER)],
    "cold": [Target("cold, {lines} lines", True, 0.85, "times as fast as the script")],
    "cold-few-days": [Target("cold, {few_lines} lines", False, 8, "s more than the script")],
    "memory": [
        Target("peak memory, {lines} lines", False, 1_000, "MB"),
        Target("peak memory, {size.times} times the days", False, 1.2, "times that"),
    ],
    "cores": [
        Target("cold on 2 cores", True, 1.6, "times as fast as on 1"),
        Target("peak memory with 8 threads", False, 1_000, "MB"),
    ],
    "growth": [Target("the daily run after {size.long} days", False, 1.3, "times that after {size.short}")],
    "again": [Target("a published id again", False, 2.5, "s more than a flow that does nothing")],
    "small-objects": [Target("{size.small_objects:,} objects of 100 lines", False, 1.5, "times bare GETs")],
}
