"""The CPU cores that this process may use."""

import os

import duckdb


def usable_cores() -> int:
    """The number of CPU cores that this process may use, at least 1.

    DuckDB's default number of threads respects the CPU quota of a container. It ignores the process's CPU affinity (as
    set by taskset), which only some systems have.
    """
    with duckdb.connect() as connection:
        row = connection.execute("SELECT current_setting('threads')").fetchone()
    assert row is not None
    cores = int(row[0])
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    return cores
