"""The CPU cores that this process may use."""

import os

import duckdb


def usable_cores() -> int:
    """The number of CPU cores that this process may use, at least 1.

    DuckDB's default number of threads respects the CPU quota of a container. It ignores the process's CPU affinity (as
    set by taskset), which only some systems have.
    """
    with duckdb.connect() as connection:
        [(threads,)] = connection.execute("SELECT current_setting('threads')").fetchall()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads
    return int(min(threads, cores))
