"""The extract as a function of bytes, and its comparison with the model."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import astuple
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, NamedTuple

import duckdb

from flows.counts import Counts
from flows.duck import DuckLimits
from flows.logs.decompress import compression_of, decompressed, within_ratio
from flows.logs.extract import Extracted, extract
from flows.logs.objects import LogObject
from flows.logs.plain_file import write_plain_file
from tests.support.model import PageView, UserUpdate, judge_object, start_of, tally

PREFIX = {"page_views": "PageViews/", "user_updates": "UserUpdates/"}
"""What the keys of a kind's objects begin with."""

Rejects = list[tuple[int, str, str]]
Event = tuple[Any, ...]
_VALUES = {"page_views": "url", "user_updates": "email, name"}


class Read(NamedTuple):
    """What one object came to: its account, its rejects, and its distinct counted records."""

    counts: Counts
    rejects: Rejects
    events: list[Event]


def limits_in(folder: Path) -> DuckLimits:
    """DuckDB's limits for an extract in a test."""
    return DuckLimits(2**30, 1, folder / "spill")


def extract_streams(
    kind: str,
    streams: Mapping[str, BinaryIO],
    folder: Path,
    log_environment: str = "production",
    limits: DuckLimits | None = None,
) -> Extracted:
    """Extract the objects of one unit, given as streams of their stored bytes by key."""
    objects, files = [], []
    for number, (key, stream) in enumerate(streams.items()):
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        blocks = decompressed(stream, key, compression_of(key, None))
        blocks = within_ratio(blocks, key, size, 500)
        files.append(write_plain_file(blocks, folder / f"{number}.plain"))
        objects.append(LogObject(kind, key, "etag", size))
    return extract(objects, files, log_environment, folder, limits or limits_in(folder))


def rejects_of(done: Extracted) -> dict[str, Rejects]:
    """The rejected records of each object, by key."""
    rejects: dict[str, Rejects] = {item.key: [] for item in done.objects}
    if done.rejects is not None:
        for key, *reject in duckdb.execute(
            "SELECT object_key, line_number, reason, line FROM read_parquet(?) ORDER BY ALL", [str(done.rejects)]
        ).fetchall():
            rejects[key].append((reject[0], reject[1], reject[2]))
    return rejects


def extract_bodies(kind: str, bodies: Mapping[str, bytes], log_environment: str = "production") -> dict[str, Read]:
    """Extract objects of one kind; give each one's account, rejects and events, by key.

    An event is (instant, user_id, url) or (instant, user_id, email, name).
    """
    with TemporaryDirectory() as folder:
        streams = {key: io.BytesIO(body) for key, body in bodies.items()}
        done = extract_streams(kind, streams, Path(folder), log_environment)
        rejects = rejects_of(done)
        events: list[list[Event]] = [[] for _ in done.objects]
        for number, instant, *rest in duckdb.execute(
            f"SELECT object, instant, user_id, {_VALUES[kind]} FROM read_parquet(?)", [str(done.events)]
        ).fetchall():
            events[number].append((instant.replace(tzinfo=UTC), *rest))
    return {
        item.key: Read(counts, rejects[item.key], sorted(found))
        for item, counts, found in zip(done.objects, done.counts, events, strict=True)
    }


def differences(kind: str, bodies: Mapping[str, bytes]) -> dict[str, str]:
    """How the extract of an object differs from what the model makes of it, by key."""
    found = {}
    for key, read in extract_bodies(kind, bodies).items():
        judged = judge_object(key, bodies[key])
        verdicts = [verdict for _, _, verdict in judged]
        rejects = [(n, why, start_of(raw)) for n, raw, why in judged if isinstance(why, str)]
        account = astuple(tally(verdicts, "production"))
        for what, ours, theirs in (
            ("rejects", read.rejects, rejects[:1000]),
            ("account", astuple(read.counts)[: len(account)], account),
            ("events", read.events, sorted(_events(verdicts))),
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
