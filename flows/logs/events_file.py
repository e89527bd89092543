"""Files of events: what is known of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb

from flows.logs.spans import Span

Written: TypeAlias = dict[int, tuple[int, Span]]
"""How many events an object has, and their span of time, by its number; without events, nothing."""


@dataclass(frozen=True)
class Events:
    """The files of one extract, and which of its objects do not count.

    Attributes:
        path: Its events.
        urls: The URLs that events of page views point to, where the events' metadata do not hold
            them.
        spans: Those of the objects' events, which are distinct within each object alone.
        unwanted: The numbers of objects that do not count.
    """

    path: Path
    urls: Path | None
    spans: Sequence[Span | None]
    unwanted: tuple[int, ...] = ()


def measure_events(connection: duckdb.DuckDBPyConnection, events: Path) -> Written:
    """Read the figures from the file."""
    found = connection.execute(
        "SELECT object, count(*), epoch_us(min(instant)), epoch_us(max(instant))"
        " FROM read_parquet(?) GROUP BY object",
        [str(events)],
    ).fetchall()
    return {number: (count, (first, last)) for number, count, first, last in found}
