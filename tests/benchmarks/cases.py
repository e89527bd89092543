"""The cases of the benchmark: each returns a figure for each of its targets, in their order."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from blocks.cores import usable_cores
from tests.benchmarks.bench import LOGS, Bench, Place
from tests.benchmarks.repeated import repeated_days
from tests.benchmarks.report import Figure
from tests.benchmarks.timed import Timed


def _ratio(**runs: Timed) -> Figure:
    """How many times as long the first takes as the second."""
    one, other = runs.values()
    value = one.median / other.median
    return Figure(value, f"{value:.2f} times ({_seconds(runs)})")


def _beyond(**runs: Timed) -> Figure:
    """How much longer the first takes than the second."""
    one, other = runs.values()
    value = one.median - other.median
    return Figure(value, f"{value:.1f} s ({_seconds(runs)})")


def _seconds(runs: dict[str, Timed]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {run.median:.1f} s" for name, run in runs.items())


def _peak(run: Timed) -> Figure:
    return Figure(run.peak, f"{run.peak:,.0f} MB")


def _filled(bench: Bench, name: str, days: int) -> Place:
    """An environment with so many days in its logs."""
    place = bench.place(name)
    bench.fill(range(days))
    return place


def cold(bench: Bench) -> list[Figure]:
    """The first run, on an empty results storage and database, against the script."""
    place = _filled(bench, "cold", bench.size.days)
    script, service = bench.in_turn(bench.script, place.first)
    place.check()
    return [_ratio(script=script, service=service)]


def cold_few_days(bench: Bench) -> list[Figure]:
    """The same over few days."""
    place = _filled(bench, "few", bench.size.few_days)
    script, service = bench.in_turn(bench.script, place.first)
    place.check()
    return [_beyond(service=service, script=script)]


def next_day(bench: Bench) -> list[Figure]:
    """One new day, in a fresh container and in a warm place, against the script over everything.

    The two environments have the same logs, so that both runs of a round do the same work.
    """
    fresh, warm = bench.place("fresh"), bench.place("warm")
    bench.fill(range(bench.size.days), realistic=True)
    fresh.run()
    warm.run()
    on_new_day = bench.new_days(bench.size.days, fresh.run_in_fresh_container, realistic=True)
    in_container, in_warm, script = bench.in_turn(on_new_day, warm.run, bench.script)
    fresh.check()
    warm.check()
    return [
        _ratio(script=script, service=in_container),
        _beyond(fresh=in_container, warm=in_warm),
        _ratio(script=script, service=in_warm),
    ]


def next_day_random_emails(bench: Bench) -> list[Figure]:
    """One new day in a warm place, where each user update has a new email."""
    place = _filled(bench, "daily", bench.size.days)
    place.run()
    on_new_day = bench.new_days(bench.size.days, place.run)
    service, script = bench.in_turn(on_new_day, bench.script)
    place.check()
    return [_ratio(script=script, service=service)]


def growth(bench: Bench) -> list[Figure]:
    """One new day on a short and on a long history."""
    places, runs = [], list[Callable[[], Timed]]()
    for name, days in (("short", bench.size.short), ("long", bench.size.long)):
        place = bench.place(name, logs=f"logs-{name}")
        bench.fill(range(days), place.logs)
        place.run()
        places.append(place)
        runs.append(bench.new_days(days, place.run, logs=place.logs))
    short, long = bench.in_turn(*runs)
    for place in places:
        bench.script(place.logs)
        place.check()
    return [_ratio(long=long, short=short)]


def again(bench: Bench) -> list[Figure]:
    """A published id again, against a Prefect flow that does nothing."""
    place = _filled(bench, "again", bench.size.days)
    place.run("again")
    bench.script()
    nothing, service = bench.in_turn(
        lambda: bench.python("-m", "tests.benchmarks.empty_flow"), lambda: place.run("again")
    )
    place.check()
    return [_beyond(service=service, empty_flow=nothing)]


def small_objects(bench: Bench) -> list[Figure]:
    """Many small objects, against bare GETs by as many threads as the service uses."""
    place = bench.place("small")
    files = sorted(bench.page_views(0).rglob("*.json"))
    lines = b"".join(file.read_bytes() for file in files).splitlines(keepends=True)
    for number in range(bench.size.small_objects):
        body = b"".join(lines[number * 100 : (number + 1) * 100])
        bench.s3.put_object(Bucket=LOGS, Key=f"PageViews/{number:05}.json", Body=body)
    bench.put(bench.user_updates(0), LOGS)

    def get(key: str) -> int:
        return len(bench.s3.get_object(Bucket=LOGS, Key=key)["Body"].read())

    def bare_gets() -> Timed:
        keys = bench.keys(LOGS)
        bench.settle()
        start = time.perf_counter()
        with ThreadPoolExecutor(usable_cores() * 8) as pool:
            sum(pool.map(get, keys))
        return Timed([time.perf_counter() - start], 0)

    gets, service = bench.in_turn(bare_gets, place.first)
    bench.script()
    place.check()
    return [_ratio(service=service, bare_GETs=gets)]


def cores(bench: Bench) -> list[Figure]:
    """The cold run's process on one core and on two, and its memory with eight threads."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise RuntimeError("this case needs two cores")
    place = _filled(bench, "cores", bench.size.days)
    eight = bench.place("eight", DUCKDB_THREADS="8")
    one, two = bench.in_turn(lambda: place.first(usable[:1]), lambda: place.first(usable[:2]))
    threads = eight.first()
    bench.script()
    place.check()
    eight.check()
    return [_ratio(one_core=one, two_cores=two), _peak(threads)]


def memory(bench: Bench) -> list[Figure]:
    """The peak memory of a cold run, and of one over the same days repeated under later dates."""
    size = bench.size
    place = _filled(bench, "memory", size.days)
    once = place.first()
    bench.script()
    place.check()
    bench.sql(
        "CREATE TABLE public.repeated AS"
        f" SELECT user_id, email, url, count * {size.times} AS count,"
        f" last_viewed + {(size.times - 1) * size.days} * interval '24 hours' AS last_viewed"
        f" FROM {place.name}.user_page_views"
    )
    days = [[bench.page_views(day), bench.user_updates(day)] for day in range(size.days)]
    with repeated_days(bench.servers.endpoint, days, size.times) as endpoint:
        repeated = bench.place("repeated", endpoint=endpoint)
        often = repeated.first()
        repeated.check("public.repeated")
    value = often.peak / once.peak
    text = f"{value:.2f} times ({often.peak:,.0f} MB, {often.median:.0f} s)"
    return [_peak(once), Figure(value, text)]
