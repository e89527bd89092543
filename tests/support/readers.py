"""The extract as a function of bytes, and its comparison with the model."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, NamedTuple

import duckdb
import numpy as np

from flows.logs.counts import Counts
from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.logs.extract import Extracted, Extractor
from flows.logs.objects import LogObject
from tests.support.model import PageView, UserUpdate, judge_object, tally

PREFIX = {"page_views": "PageViews/", "user_updates": "UserUpdates/"}
"""What the keys of a kind's objects begin with."""

Rejects = list[tuple[int, str, str]]
Event = tuple[Any, ...]

_EVENTS = {
    "page_views": "SELECT object, instant, user_id, urls.url FROM read_parquet($events) AS events"
    " JOIN urls ON urls.place = events.url",
    "user_updates": "SELECT object, instant, user_id, email, name FROM read_parquet($events)",
}


class Read(NamedTuple):
    """What one object came to: its account, its rejects, and its distinct counted records."""

    counts: Counts
    rejects: Rejects
    events: list[Event]


def extract_bodies(
    kind: str, bodies: dict[str, bytes], log_environment: str = "production"
) -> dict[str, Read]:
    """Extract objects of one kind; give each one's account, rejects and events, by key.

    An event is (instant, user_id, url) or (instant, user_id, email, name).
    """
    objects = [LogObject(kind, key, "etag", len(body)) for key, body in bodies.items()]

    @contextmanager
    def opened(item: LogObject) -> Iterator[BinaryIO]:
        yield io.BytesIO(bodies[item.key])

    with TemporaryDirectory() as folder, duck(DuckSettings(threads=1)) as own:
        done = Extractor(own, log_environment, Path(folder)).extract(objects, opened)
        rejects: dict[str, Rejects] = {item.key: [] for item in objects}
        events: list[list[Event]] = [[] for _ in objects]
        with duckdb.connect() as connection:
            _load_urls(connection, done)
            for number, instant, *rest in connection.execute(
                _EVENTS[kind], {"events": str(done.events)}
            ).fetchall():
                events[number].append((instant.replace(tzinfo=UTC), *rest))
            if done.rejects is not None:
                for key, line_number, reason, line in connection.execute(
                    "SELECT object_key, line_number, reason, line FROM read_parquet(?)",
                    [str(done.rejects)],
                ).fetchall():
                    rejects[key].append((line_number, reason, line))
    return {
        item.key: Read(counts, sorted(rejects[item.key]), sorted(events[number]))
        for number, (item, counts) in enumerate(zip(done.objects, done.counts, strict=True))
    }


def _load_urls(connection: duckdb.DuckDBPyConnection, done: Extracted) -> None:
    """Make the table `urls` (place, url), by plain Python where the metadata hold them."""
    connection.execute("CREATE TABLE urls (place INTEGER, url VARCHAR)")
    if done.urls is not None:
        connection.execute(
            "INSERT INTO urls SELECT file_row_number, url"
            " FROM read_parquet(?, file_row_number = true)",
            [str(done.urls)],
        )
        return
    found = connection.execute(
        "SELECT value FROM parquet_kv_metadata(?) WHERE decode(key) = 'urls'", [str(done.events)]
    ).fetchall()
    for (value,) in found:
        urls = value.decode().split("\0") if value else []
        connection.register(
            "found", {"place": np.arange(len(urls)), "url": np.array(urls, dtype=object)}
        )
        connection.execute("INSERT INTO urls SELECT place, url FROM found")


def differences(kind: str, bodies: dict[str, bytes]) -> dict[str, str]:
    """Where the extract of an object is not what the model makes of it, by key."""
    found = {}
    for key, read in extract_bodies(kind, bodies).items():
        verdicts = judge_object(key, bodies[key])
        counts = read.counts
        for what, ours, theirs in (
            (
                "rejects",
                read.rejects,
                sorted(
                    (number, verdict, raw.decode(errors="replace").replace("\0", "\ufffd")[:1000])
                    for number, raw, verdict in verdicts
                    if isinstance(verdict, str)
                )[:1000],
            ),
            (
                "account",
                (
                    *(counts.lines, counts.counted, counts.duplicates),
                    *(counts.other_environment, counts.anonymous, counts.rejected),
                ),
                astuple(tally([verdict for _, _, verdict in verdicts], "production")),
            ),
            ("events", read.events, sorted(_events([verdict for _, _, verdict in verdicts]))),
        ):
            if ours != theirs:
                found[key] = f"{what}: the reader has {ours!r}, the model {theirs!r}"
                break
    return found


def _events(verdicts: list[Any]) -> set[Event]:
    """The counted records of the model, as events."""
    events: set[Event] = set()
    for one in verdicts:
        if isinstance(one, str) or one.environment != "production":
            continue
        if isinstance(one, PageView) and one.user_id is not None:
            events.add((one.ts, one.user_id, one.url))
        elif isinstance(one, UserUpdate):
            events.add((one.updated_at, one.user_id, one.email, one.name))
    return events
