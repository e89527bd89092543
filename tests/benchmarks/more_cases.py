"""The other figures of docs/performance.md."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

from tests.benchmarks.bench import Bench, Figure
from tests.benchmarks.floors import bare_gets, bare_update, keep_before
from tests.benchmarks.publish_again import AGAIN
from tests.benchmarks.repeated import repeated_days
from tests.benchmarks.shared_imports import shared_imports
from tests.benchmarks.site import LOGS, RESULTS, SCHEMA
from tests.benchmarks.timed import ROOT, Timed, timed, together
from tests.benchmarks.without_prefect import SCHEMA as WITHOUT


def _daily(bench: Bench, days: int) -> tuple[Timed, Timed, int]:
    """Runs with one new day each, on a history of so many.

    Returns:
        The runs; a bare UPDATE of the rows that were there before the last one and that it has
        changed; and how many those are.
    """
    bench.fill(days)
    bench.first()
    runs = []
    for new in range(days, days + bench.rounds):
        bench.fill(1, first=new)
        keep_before(bench.site)
        runs.append(bench.settled(bench.run))
    bench.check_by_script()
    return together(*runs), *bare_update(bench.site)


def growth(bench: Bench) -> list[Figure]:
    """What a longer history adds to the daily run."""
    (few, few_bare, few_rows), (many, many_bare, many_rows) = (
        _daily(bench, days) for days in (bench.size.few_days, bench.size.many_days)
    )
    return [
        Figure(
            f"the daily run over {bench.size.many_days} days",
            f"1.3 times that over {bench.size.few_days}",
            f"{many.median / few.median:.2f} times ({few.median:.1f} s, {many.median:.1f} s; "
            f"a bare UPDATE of the {few_rows:,} and {many_rows:,} rows of the last day that were "
            f"there before and differ: {few_bare.median:.1f} s, {many_bare.median:.1f} s)",
        )
    ]


def memory(bench: Bench) -> list[Figure]:
    """The peak memory of a cold run, and of one over the same days repeated under other dates."""
    bench.fill(bench.size.days)
    once = bench.first()
    bench.check_by_script()
    later = (bench.size.times - 1) * bench.size.days
    bench.site.sql(
        "DROP TABLE IF EXISTS public.repeated; CREATE TABLE public.repeated AS"
        f" SELECT user_id, email, url, count * {bench.size.times} AS count,"
        f" last_viewed + {later} * interval '24 hours' AS last_viewed"
        f" FROM {SCHEMA}.user_page_views"
    )
    folders = [bench.day(number) for number in range(bench.size.days)]
    with (
        TemporaryDirectory() as folder,
        repeated_days(bench.site.endpoint, folders, bench.size.times) as endpoint,
    ):
        bench.site.register(Path(folder), endpoint)
        try:
            often = bench.first()
            bench.check("public.repeated")
        finally:
            bench.site.register(Path(folder))
    return [
        Figure("cold, peak memory", "1,000 MiB", f"{once.peak:,.0f} MiB"),
        Figure(
            f"peak memory at {bench.size.times} times the days",
            "1.2 times",
            f"{often.peak / once.peak:.2f} times ({often.peak:,.0f} MiB, {often.median:.0f} s)",
        ),
    ]


def publishing(bench: Bench) -> list[Figure]:
    """The first load, against a bare COPY of the same rows with the key added after it."""
    bench.fill(bench.size.days)
    bench.first()
    bench.check_by_script()
    csv, binary, site = io.BytesIO(), io.BytesIO(), bench.site
    query = f"SELECT user_id, email, url, count, last_viewed FROM {SCHEMA}.user_page_views"
    site.copy_out(query, csv, "csv")
    site.copy_out(query, binary, "binary")
    command = [sys.executable, "-m", "tests.benchmarks.publish_again", site.database_url]

    def bare() -> Timed:
        return site.copy_in(csv, "csv")

    def bare_binary() -> Timed:
        return site.copy_in(binary, "binary")

    def ours() -> Timed:
        done = subprocess.run(
            command, cwd=ROOT, env=site.variables, check=True, capture_output=True, text=True
        )
        return Timed([float(done.stdout.split()[-1])], 0)

    one, faster, other = bench.in_turn(bare, bare_binary, ours)
    bench.check(f"{AGAIN}.user_page_views")
    return [
        Figure(
            "rows into the table at the first load",
            "0.7 times the rate of a bare COPY and key",
            f"{one.median / other.median:.2f} times (bare, CSV {one.median:.1f} s; "
            f"publish {other.median:.1f} s); {faster.median / other.median:.2f} times that of a "
            f"bare COPY in binary form, which PostgreSQL reads faster ({faster.median:.1f} s)",
        )
    ]


def small_objects(bench: Bench) -> list[Figure]:
    """Many small objects, against the same lines in ten."""
    objects, lines = bench.size.small_objects, 100
    source = b"".join(
        path.read_bytes() for path in sorted(bench.day(0).glob("PageViews/**/*.json"))
    )
    chosen = source.splitlines(keepends=True)[: objects * lines]

    def put(parts: int) -> None:
        bench.site.empty(LOGS)
        bench.site.put(bench.day(0), only="UserUpdates")
        size = len(chosen) // parts
        for part in range(parts):
            body = b"".join(chosen[part * size : (part + 1) * size])
            bench.site.s3.put_object(Bucket=LOGS, Key=f"PageViews/{part:05}.json", Body=body)

    put(10)
    [few] = bench.in_turn(bench.first)
    bench.check_by_script()
    put(objects)
    gets, many = bench.in_turn(lambda: bare_gets(bench.site), bench.first)
    bench.check()
    return [
        Figure(
            f"{objects:,} objects of {lines} lines",
            "3 times the same lines in 10 objects",
            f"{many.median / few.median:.2f} times ({few.median:.1f} s, {many.median:.1f} s; "
            f"bare GETs of the many {gets.median:.1f} s)",
        )
    ]


def strictness(bench: Bench) -> list[Figure]:
    """The extract of a day, against one by DuckDB's typed JSON reader that validates nothing."""
    folder, found = str(bench.day(0)), set[tuple[str, ...]]()

    def one(how: str) -> Callable[[], Timed]:
        command = [sys.executable, "-m", "tests.benchmarks.extract_day", how, folder]

        def run() -> Timed:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=bench.site.variables,
                check=True,
                capture_output=True,
                text=True,
            )
            *rows, seconds = done.stdout.split()[-3:]
            found.add(tuple(rows))
            return Timed([float(seconds)], 0)

        return run

    strict, typed = bench.in_turn(one("strict"), one("typed"))
    if len(found) != 1:
        raise AssertionError(f"extracts of other rows: {found}")
    return [
        Figure(
            "the extract of a day, with all validation",
            "1.5 times the extract without it",
            f"{strict.median / typed.median:.2f} times (with {strict.median:.2f} s; "
            f"without {typed.median:.2f} s; one thread)",
        )
    ]


def orchestration(bench: Bench) -> list[Figure]:
    """A cold run against the same run without Prefect, and a flow that does nothing.

    That flow has as many task runs; none of them waits for Prefect's heartbeat thread.
    """
    bench.fill(bench.size.days)
    bench.first()
    tasks, site = bench.task_runs(), bench.site
    nothing = [sys.executable, "-m", "tests.benchmarks.empty_flow", str(tasks), "--quiet"]
    plain = [sys.executable, "-m", "tests.benchmarks.without_prefect"]
    plain += [site.endpoint, LOGS, RESULTS, site.database_url]

    def emptied(run: Callable[[], Timed]) -> Timed:
        # Of both tables: PostgreSQL would vacuum the one that is left while the other is filled.
        site.forget()
        site.sql(f"DROP SCHEMA IF EXISTS {WITHOUT} CASCADE")
        return bench.settled(run)

    def without() -> Timed:
        return emptied(lambda: timed(plain, site.variables))

    def service() -> Timed:
        return emptied(bench.run)

    # Each side comes after itself as often as after the other: its server still works for a while.
    one, two, three, four = bench.in_turn(without, service, service, without)
    bare, cold = together(one, four), together(two, three)
    site.empty(RESULTS)
    bench.run()  # once more, as its table is gone
    bench.check_by_script()
    bench.check(f"{WITHOUT}.user_page_views")
    # Not among them: what comes before a run would not be alike for both.
    shared = [sys.executable, "-c", shared_imports(site.variables)]
    empty, common = bench.in_turn(
        lambda: timed(nothing, site.variables), lambda: timed(shared, site.variables)
    )
    share = 1 - bare.median / cold.median
    shares = [
        1 - (first + last) / (second + third)
        for first, second, third, last in zip(
            one.seconds, two.seconds, three.seconds, four.seconds, strict=True
        )
    ]
    spread = f"mean of the rounds {mean(shares):.1%}"
    if len(shares) > 1:
        spread += f", its standard error {stdev(shares) / len(shares) ** 0.5:.1%}"
    return [
        Figure(
            f"Prefect's share of the cold run ({tasks} task runs, import and start included)",
            "10 %",
            f"{share:.1%} (without Prefect {bare.median:.1f} s; with {cold.median:.1f} s); "
            f"{spread}",
        ),
        Figure(
            "a plain empty flow with as many task runs, less Python's start and the imports that "
            "the run without Prefect has too, as a share of the cold run",
            "no figure was set",
            f"{(empty.median - common.median) / cold.median:.1%} ({empty.median:.1f} s less "
            f"{common.median:.1f} s, of {cold.median:.1f} s)",
        ),
    ]


MORE_CASES: dict[str, Callable[[Bench], list[Figure]]] = {
    "publishing": publishing,
    "small-objects": small_objects,
    "strictness": strictness,
    "orchestration": orchestration,
    "memory": memory,
    "growth": growth,
}
