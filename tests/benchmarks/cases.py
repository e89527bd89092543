"""The main figures of docs/performance.md, each measured in turn with what it is compared with."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.benchmarks.bench import Bench, Figure
from tests.benchmarks.floors import bare_update, keep_before
from tests.benchmarks.more_cases import MORE_CASES
from tests.benchmarks.others import others
from tests.benchmarks.site import SCHEMA
from tests.benchmarks.timed import timed, together


def cold(bench: Bench) -> list[Figure]:
    """The first id on an empty results storage and database, against the script."""
    bench.fill(bench.size.days)
    script, service = bench.in_turn(bench.baseline, bench.first)
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


def cold_gzip(bench: Bench) -> list[Figure]:
    """As `cold`, with compressed objects."""
    bench.fill(bench.size.days, compressed=True)
    script, service = bench.in_turn(bench.baseline, bench.first)
    bench.check()
    return [
        Figure(
            "cold, gzip",
            "no figure was set",
            f"{script.median / service.median:.2f} times (script {script.median:.1f} s; "
            f"service {service.median:.1f} s, {service.peak:,.0f} MiB)",
        )
    ]


def next_day(bench: Bench) -> list[Figure]:
    """One new day on all others, under a new id, against the script over everything."""
    days = bench.size.days
    bench.fill(days)
    bench.site.forget()
    bench.run()
    services, scripts, written, differing = [], [], 0, 0
    for new in range(days, days + bench.rounds):
        bench.fill(1, first=new)
        keep_before(bench.site)
        services.append(bench.settled(bench.run))
        scripts.append(bench.settled(bench.baseline))
        bench.check()
        written += bench.last_summary()["rows_written"]
        differing += bench.site.sql(
            f"SELECT count(*) FROM {SCHEMA}.before AS old"
            f" FULL JOIN {SCHEMA}.user_page_views AS new USING (user_id, url)"
            " WHERE (old.email, old.count, old.last_viewed)"
            " IS DISTINCT FROM (new.email, new.count, new.last_viewed)"
        )[0][0]
    service, script = together(*services), together(*scripts)
    update, rows = bare_update(bench.site)
    return [
        Figure(
            f"the next day on {days}",
            "10 times as fast as the script over everything",
            f"{script.median / service.median:.1f} times (script {script.median:.1f} s; "
            f"service {service.median:.1f} s, {service.peak:,.0f} MiB; a bare UPDATE of the "
            f"{rows:,} rows of the last day that were there before and differ: "
            f"{update.median:.1f} s)",
        ),
        Figure(
            "rows written by a daily publish",
            "1.1 times the rows that differ",
            f"{written / differing:.2f} times ({written:,} of {differing:,})",
        ),
    ]


def again(bench: Bench) -> list[Figure]:
    """The published id again, against a flow that does nothing and sends no heartbeats."""
    bench.fill(bench.size.days)
    bench.site.forget()
    bench.run("again")
    empty = [sys.executable, "-m", "tests.benchmarks.empty_flow", "0", "--quiet"]
    nothing, service = bench.in_turn(
        lambda: timed(empty, bench.site.variables), lambda: bench.run("again")
    )
    bench.check_by_script()
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
    "cold-gzip": cold_gzip,
    "next-day": next_day,
    "again": again,
    **MORE_CASES,
    "others": others,
}
