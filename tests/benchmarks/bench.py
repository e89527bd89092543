"""What every benchmark needs: days of logs, the service, the script, and both tables compared."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def fill(self, days: int, first: int = 0, *, compressed: bool = False) -> None:
        """Put days into the logs bucket, which is emptied first where they start with day 0."""
        if first == 0:
            self.site.empty(LOGS)
        for number in range(first, first + days):
            self.site.put(self.day(number), compressed=compressed)

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

    def first(self) -> Timed:
        """Run the service on an empty results storage and database."""
        self.site.forget()
        return self.settled(self.run)

    def last_summary(self) -> dict[str, Any]:
        """What the last published run returned."""
        query = f"SELECT summary FROM {SCHEMA}.pipeline_runs ORDER BY published_at DESC LIMIT 1"
        [(summary,)] = self.site.sql(query)
        found: dict[str, Any] = summary
        return found

    def task_runs(self) -> int:
        """How many task runs the last published run had."""
        query = f"SELECT stages FROM {SCHEMA}.pipeline_runs ORDER BY published_at DESC LIMIT 1"
        [(stages,)] = self.site.sql(query)
        return 3 + int(stages["list_logs"]["parts"])

    def check_by_script(self) -> None:
        """Run the script over all logs, and raise unless the service's table is its."""
        self.baseline()
        self.check()

    def check(self, theirs: str = "public.user_page_views") -> None:
        """Raise unless the service's table is the script's (or another), row for row."""
        ours = f"{SCHEMA}.user_page_views"
        for one, other in ((ours, theirs), (theirs, ours)):
            missing = self.site.sql(
                f"SELECT count(*) FROM (SELECT user_id, email, url, count, last_viewed FROM {one}"
                f" EXCEPT SELECT user_id, email, url, count, last_viewed FROM {other}) AS missing"
            )
            if missing != [(0,)]:
                raise AssertionError(f"{missing[0][0]:,} rows of {one} are not in {other}")

    def settled(self, run: Callable[[], Timed]) -> Timed:
        """Run on disks that are at rest: else it would wait for what others have left to write."""
        self.site.sql("CHECKPOINT")
        os.sync()
        return run()

    def in_turn(self, *runs: Callable[[], Timed]) -> list[Timed]:
        """Run each as often as there are rounds, in turn, each on disks that are at rest."""
        found = [[self.settled(run) for run in runs] for _ in range(self.rounds)]
        return [together(*some) for some in zip(*found, strict=True)]
