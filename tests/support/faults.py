"""A world whose S3 endpoint and database are watched: each request and statement is an event."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.pg_proxy import Cut, Message, pg_proxy
from tests.support.s3_proxy import Answer, Forward, Request, intercepting
from tests.support.world import Services, World

SECONDS = 60
OnEvent = Callable[[str, int], bool]
"""Takes `before …` or `after …` with a request or statement, and its number, from 1; it may block.
True breaks the connection there."""


def passing(event: str, number: int) -> bool:
    """Nothing happens."""
    return False


class Watched:
    """The requests and statements of a run since `start`, and how often it asked for each log object."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._lock = threading.Lock()
        self._direct = dict(world.settings)
        self.start()

    def start(self, on_event: OnEvent = passing) -> None:
        """Forget what was seen; from now on, `on_event` is called at each event."""
        with self._lock:
            self.events: list[str] = []
            self.fetched: Counter[str] = Counter()
            self._on_event = on_event

    def _happens(self, event: str) -> bool:
        with self._lock:
            self.events.append(event)
            number, on_event = len(self.events), self._on_event
        return on_event(event, number)

    def intercept(self, request: Request, forward: Forward) -> Answer | None:
        """As the S3 endpoint's interceptor."""
        if self._happens(f"before {request}"):
            return None
        if request.method == "GET" and request.key and request.bucket == self._direct["LOGS_BUCKET"]:
            self.fetched[request.key] += 1
        answer = forward()
        return None if self._happens(f"after {request}") else answer

    def before(self, message: Message) -> None:
        """As the database's watcher."""
        if self._happens(f"before {message}"):
            raise Cut

    def after(self, message: Message) -> None:
        """As the database's watcher."""
        if self._happens(f"after {message}"):
            raise Cut

    def empty(self) -> None:
        """Delete all logs, results and tables."""
        self.world.empty("LOGS")
        self.world.empty("RESULTS")
        schema = self._direct["DATABASE_SCHEMA"]
        self.world.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def leftovers(self, scratch: Path) -> list[str]:
        """What a run has left behind, once the database has noticed that it is gone."""
        end = time.monotonic() + SECONDS
        while True:
            found = [f"scratch folder {path.name}" for path in scratch.glob("user-page-views-*")]
            found += self._in_the_database() + self._in_the_results()
            if not found or time.monotonic() > end:
                return found

    def _in_the_database(self) -> list[str]:
        rows = self.world.execute(
            "SELECT 'session ' || state FROM pg_stat_activity"
            " WHERE application_name = 'user_page_views'"
            " UNION ALL SELECT 'lock ' || mode FROM pg_locks WHERE locktype = 'advisory'"
            " UNION ALL SELECT 'temporary table ' || relname FROM pg_class"
            " WHERE relpersistence = 't' AND relkind = 'r'"
            " UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts"
        )
        return [str(row[0]) for row in rows]

    def _in_the_results(self) -> list[str]:
        bucket = self._direct["RESULTS_BUCKET"]
        uploads = self.world.services.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        found = [f"unfinished upload {upload['Key']}" for upload in uploads]
        stored = self.world.stored("extracts/")
        named: set[str] = set()
        for name, body in stored.items():
            if name.endswith(".json"):
                unit = json.loads(body)["content"]
                named |= {name, *(unit[kind]["name"] for kind in ("events", "rejects") if unit[kind])}
        return found + [f"file of no manifest {name}" for name in stored if name not in named]


@contextmanager
def watched(services: Services, parameters: str = "") -> Iterator[Watched]:
    """A registered world behind watched services; the parameters, such as `?options=…`, end its DATABASE_URL."""
    world = World.new(services)
    seen = Watched(world)
    with ExitStack() as stack:
        s3 = stack.enter_context(intercepting(services.s3_endpoint, seen.intercept))
        database = stack.enter_context(pg_proxy(services.postgres_url, seen))
        direct = world.settings["DATABASE_URL"]
        world.register(S3_ENDPOINT_URL=s3, DATABASE_URL=database + parameters)
        # What the test itself does is no event.
        world.settings["DATABASE_URL"] = direct
        yield seen


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """Within: scratch folders of this process's runs are in the folder."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
