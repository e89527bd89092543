"""The extract as a function of bytes, for tests that compare it with the model."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import duckdb

from flows.logs.counts import Counts
from flows.logs.duck import DuckSettings
from flows.logs.extract import extract
from flows.logs.objects import LogObject

Rejects = list[tuple[int, str, str]]


def extract_bodies(kind: str, bodies: dict[str, bytes]) -> dict[str, tuple[Counts, Rejects]]:
    """Extract objects of one kind; give each one's account and its rejects, by key."""
    objects = [LogObject(kind, key, "etag", len(body)) for key, body in bodies.items()]

    @contextmanager
    def opened(item: LogObject) -> Iterator[BinaryIO]:
        yield io.BytesIO(bodies[item.key])

    with TemporaryDirectory() as folder:
        done = extract(objects, opened, "production", Path(folder), DuckSettings(threads=1))
        rejects: dict[str, Rejects] = {item.key: [] for item in objects}
        if done.rejects is not None:
            with duckdb.connect() as connection:
                for key, line_number, reason, line in connection.execute(
                    "SELECT object_key, line_number, reason, line FROM read_parquet(?)",
                    [str(done.rejects)],
                ).fetchall():
                    rejects[key].append((line_number, reason, line))
    return {
        item.key: (counts, sorted(rejects[item.key]))
        for item, counts in zip(done.objects, done.counts, strict=True)
    }
