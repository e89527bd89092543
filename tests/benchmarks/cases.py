"""The figures of docs/performance.md, each measured in turn with what it is compared with."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.data import write_day
from tests.benchmarks.site import LOGS, SCHEMA, Site
from tests.benchmarks.sizes import Size
from tests.benchmarks.timed import Timed, timed, together

_ids = itertools.count(1)


@dataclass(frozen=True)
class Figure:
    """A line of the table: what was measured, what it must reach, what it came to."""

    what: str
    must: str
    reached: str


@dataclass(frozen=True)
class Bench:
    """What every case needs."""

    site: Site
    size: Size
    folder: Path
    rounds: int

    def day(self, number: int) -> Path:
        """The folder of a day's logs, which are made once."""
        folder = self.folder / f"day-{number:03}"
        if not folder.exists():
            write_day(folder, self.size, number)
        return folder

    def fill(self, days: int, first: int = 0) -> None:
        """Put days into the logs bucket, which is emptied first where they start with day 0."""
        if first == 0:
            self.site.empty(LOGS)
        for number in range(first, first + days):
            self.site.put(self.day(number))

    def baseline(self) -> Timed:
        """Run the DuckDB script over all logs."""
        script = "tests/benchmarks/duckdb_script.py"
        where = (self.site.endpoint, LOGS, self.site.database_url)
        return timed([sys.executable, script, *where], self.site.variables)

    def run(self, id: str | None = None) -> Timed:
        """Run the service, under a new id unless one is given."""
        id = id or f"run-{next(_ids)}"
        command = [sys.executable, "-m", "tests.benchmarks.one_run", id]
        return timed(command, self.site.variables)

    def check(self) -> None:
        """Raise unless the service's table is the script's, row for row."""
        ours, theirs = f"{SCHEMA}.user_page_views", "public.user_page_views"
        for one, other in ((ours, theirs), (theirs, ours)):
            missing = self.site.sql(
                f"SELECT count(*) FROM (SELECT user_id, email, url, count, last_viewed FROM {one}"
                f" EXCEPT SELECT user_id, email, url, count, last_viewed FROM {other}) AS missing"
            )
            if missing != [(0,)]:
                raise AssertionError(f"{missing[0][0]:,} rows of {one} are not in {other}")

    def in_turn(self, *runs: Callable[[], Timed]) -> list[Timed]:
        """Run each as often as there are rounds, in turn."""
        found = [[run() for run in runs] for _ in range(self.rounds)]
        return [together(*some) for some in zip(*found, strict=True)]


def cold(bench: Bench) -> list[Figure]:
    """The first id on an empty results storage and database, against the script."""
    bench.fill(bench.size.days)

    def first() -> Timed:
        bench.site.forget()
        return bench.run()

    script, service = bench.in_turn(bench.baseline, first)
    bench.check()
    lines = bench.size.days * bench.size.views
    return [
        Figure(
            f"cold, {lines / 1e6:.2f} M lines",
            "1.5 times as fast as the script" if lines > 1e7 else "1.0 times as fast as the script",
            f"{script.median / service.median:.2f} times (script {script.median:.1f} s, "
            f"{script.peak:,.0f} MiB; service {service.median:.1f} s)",
        ),
        Figure("cold, peak memory", "1 GB", f"{service.peak:,.0f} MiB"),
    ]


def next_day(bench: Bench) -> list[Figure]:
    """One new day on all others, under a new id, against the script over everything."""
    days = bench.size.days
    bench.fill(days)
    bench.site.forget()
    bench.run()
    services = []
    for new in range(days, days + bench.rounds):
        bench.fill(1, first=new)
        services.append(bench.run())
    script = together(*(bench.baseline() for _ in range(bench.rounds)))
    bench.check()
    service = together(*services)
    return [
        Figure(
            f"the next day on {days}",
            "10 times as fast as the script over everything",
            f"{script.median / service.median:.1f} times (script {script.median:.1f} s; "
            f"service {service.median:.1f} s, {service.peak:,.0f} MiB)",
        )
    ]


def again(bench: Bench) -> list[Figure]:
    """The published id again, against a flow that does nothing."""
    bench.fill(1)
    bench.site.forget()
    bench.run("again")
    empty = [sys.executable, "-m", "tests.benchmarks.empty_flow"]
    nothing, service = bench.in_turn(
        lambda: timed(empty, bench.site.variables), lambda: bench.run("again")
    )
    return [
        Figure(
            "the published id again",
            "at most 1.5 s beyond an empty flow",
            f"{service.median - nothing.median:.1f} s (empty flow {nothing.median:.1f} s; "
            f"service {service.median:.1f} s)",
        )
    ]


CASES: dict[str, Callable[[Bench], list[Figure]]] = {
    "cold": cold,
    "next-day": next_day,
    "again": again,
}
