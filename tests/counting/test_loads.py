"""Full and incremental load, compared with each other and with plain Python."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from flows.counting import full
from flows.counting.full import full_load
from flows.counting.incremental import incremental_load
from flows.duck import PARQUET, DuckLimits, Rows
from flows.extracts.plan import Plan
from flows.extracts.units import Scope
from flows.logs.objects import KINDS, LogObject
from flows.storage.folder_results import FolderResults
from flows.tasks.inputs import Inputs
from flows.tasks.units import store_unit
from tests.support.readers import PREFIX, extract_streams, limits_in
from tests.test_user_page_views import update, view

START = datetime(2026, 1, 1)
SCOPE = Scope("bucket", "production")
View = tuple[int, str, datetime]
Update = tuple[int, datetime, str, str]


def body_of(records: Iterable[View] | Iterable[Update]) -> str:
    """The lines of an object; each name is `A Name`."""
    return "".join(
        view(one[0], one[1], one[2].isoformat())
        if isinstance(one[1], str)
        else update(one[0], str(one[2]), one[1].isoformat())
        for one in records
    )


def rows_of(rows: Rows) -> list[tuple[Any, ...]]:
    """All rows, read beside other work of the connection."""
    with rows.connection.cursor() as cursor:
        return cursor.execute(rows.query).fetchall()


@dataclass
class Tables:
    """The content of the tables, the emails that the full load writes, and the numbers of distinct records."""

    views: dict[tuple[int, str], tuple[int, datetime]]
    latest: dict[int, tuple[datetime, str, str]]
    rejects: list[tuple[Any, ...]]
    emails: dict[int, str | None]
    distinct: tuple[int, int]


class Store:
    """Extracts in a results storage, made of the bodies of objects."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._storage = folder, FolderResults(folder / "results")
        self._numbers = iter(range(10_000))

    def extract(self, kind: str, bodies: dict[str, str]) -> list[LogObject]:
        """Store a unit of these objects."""
        streams = {PREFIX[kind] + key: io.BytesIO(body.encode()) for key, body in bodies.items()}
        done = extract_streams(kind, streams, self._scratch())
        store_unit(self._storage, SCOPE, done)
        return done.objects

    def inputs(self, objects: Iterable[LogObject]) -> Inputs:
        """The stored extracts of these objects."""
        plan, scratch = Plan(sorted(objects), []), self._scratch()
        return Inputs.find(self._storage, SCOPE, plan, scratch, limits_in(scratch))

    def _scratch(self) -> Path:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder

    def full(self, objects: Iterable[LogObject]) -> Tables:
        """The tables from all records."""
        inputs = self.inputs(objects)
        events = [inputs.events(kind) for kind in KINDS]
        with full_load(events[0], events[1], inputs.rejects(), inputs.limits) as load:
            rows = [row for counted in load.ranges for row in rows_of(counted)]
            assert [row[::2] for row in rows] == sorted(row[::2] for row in rows)
            latest = {user: (at, email, name) for user, at, email, name in rows_of(load.latest_updates)}
            views = {(user, url): (count, last) for user, _, url, count, last in rows}
            assert len(views) == len(rows)
            return Tables(
                views,
                latest,
                sorted(rows_of(load.rejects)),
                {user: email for user, email, *_ in rows},
                (sum(count for count, _ in views.values()), load.user_updates),
            )

    def add(self, tables: Tables, known: set[LogObject], objects: set[LogObject]) -> Tables:
        """The tables of the known objects with what the others add."""
        inputs = self.inputs(objects)
        events = [inputs.added_events(kind, known) for kind in KINDS]
        views, latest = dict(tables.views), dict(tables.latest)
        rejects = inputs.rejects(known)
        with incremental_load(events[0], events[1], rejects, inputs.limits) as load:
            for user, url, count, last in rows_of(load.page_views):
                old = views.get((user, url), (0, last))
                views[user, url] = (old[0] + count, max(old[1], last))
            for user, at, email, name in rows_of(load.user_updates):
                found = (at, email, name)
                latest[user] = max(latest.get(user, found), found)
            return Tables(
                views,
                latest,
                sorted(tables.rejects + rows_of(load.rejects)),
                {user: latest[user][1] or None if user in latest else None for user, _ in views},
                (tables.distinct[0] + load.new_page_views, tables.distinct[1] + load.new_user_updates),
            )


def expected(views: Iterable[View], updates: Iterable[Update]) -> Tables:
    """The tables that these records make, without rejects, in plain Python."""
    instants: dict[tuple[int, str], set[datetime]] = {}
    for user, url, at in views:
        instants.setdefault((user, url), set()).add(at)
    latest: dict[int, tuple[datetime, str, str]] = {}
    for user, instant, email, name in updates:
        found = (instant, email, name)
        latest[user] = max(latest.get(user, found), found)
    return Tables(
        {key: (len(some), max(some)) for key, some in instants.items()},
        latest,
        [],
        {user: latest[user][1] or None if user in latest else None for user, _ in instants},
        (len(set(views)), len(set(updates))),
    )


def random_views(random: Random, day: int, count: int) -> list[View]:
    """Page views of about a day: each object overlaps those of the days before and after."""
    return [
        (
            random.choice([1, 2, 3, -(2**63), 2**63 - 1, random.randrange(-50, 300)]),
            f"/{int(20 * random.random() ** 2)}/\u00e9",
            START + timedelta(days=day, minutes=5 * random.randrange(400)),
        )
        for _ in range(count)
    ]


def random_updates(random: Random, day: int, count: int) -> list[Update]:
    return [
        (
            random.randrange(-5, 40),
            START + timedelta(days=day, hours=12 * random.randrange(4)),
            random.choice(["", "a@example.com", "b@example.com", "\u00e9", "\U0001f600", "\uffff"]),
            "A Name",
        )
        for _ in range(count)
    ]


@pytest.fixture
def tiny_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of so few users that a few thousand page views have many of them."""
    monkeypatch.setattr(full, "_SAMPLE_STEP", 8)
    monkeypatch.setattr(full, "_BYTES_PER_EVENT", 2**24)


class Objects:
    """Random objects of both kinds, with duplicates within and across them."""

    def __init__(self, random: Random, store: Store) -> None:
        self.views: dict[LogObject, list[View]] = {}
        self.updates: dict[LogObject, list[Update]] = {}
        for day in range(6):
            views = [random_views(random, day, random.randrange(250)) for _ in range(2)]
            updates = [random_updates(random, day, random.randrange(25)) for _ in range(2)]
            for some in views:
                for other in (*self.views.values(), *views):
                    some += random.sample(other, len(other) // 20)
            for few in updates:
                for old in (*self.updates.values(), *updates):
                    few += random.sample(old, len(old) // 10)
            bad = "{bad\n" * random.randrange(3)
            bodies = {f"{day}-{n}": body_of(some) + bad for n, some in enumerate(views)}
            self.views |= dict(zip(store.extract("page_views", bodies), views, strict=True))
            if random.random() < 0.3:  # another run has extracted it too
                store.extract("page_views", {f"{day}-0": bodies[f"{day}-0"]})
            bodies = {f"{day}-{n}": bad + body_of(some) for n, some in enumerate(updates)}
            self.updates |= dict(zip(store.extract("user_updates", bodies), updates, strict=True))

    def expected(self, objects: Iterable[LogObject]) -> Tables:
        """The tables of some of them, in plain Python."""
        chosen = set(objects)
        return expected(
            [one for item, some in self.views.items() if item in chosen for one in some],
            [one for item, some in self.updates.items() if item in chosen for one in some],
        )


@pytest.mark.parametrize("seed", range(4))
def test_an_incremental_load_gives_the_tables_of_a_full_load(tmp_path: Path, seed: int) -> None:
    random, store = Random(seed), Store(tmp_path)
    objects = Objects(random, store)
    order = [*objects.views, *objects.updates]
    random.shuffle(order)
    # A run has at least one object of each kind.
    order.sort(key=lambda item: item.key[-3:] != "0-0")
    size = random.randrange(2, len(order))
    known: set[LogObject] = set(order[:size])
    tables = store.full(known)
    while known != set(order):
        size += random.randrange(1, 12)
        more = set(order[:size])
        tables = store.add(tables, known, more)
        known = more
    assert tables == store.full(order)
    tables.rejects = []
    assert tables == objects.expected(order)


@pytest.mark.parametrize("seed", range(3))
def test_a_full_load_by_tiny_ranges_gives_the_same_rows_as_by_one(
    tmp_path: Path, seed: int, request: pytest.FixtureRequest
) -> None:
    random, store = Random(seed), Store(tmp_path)
    objects = Objects(random, store)
    # Objects of a unit that are gone from the listing do not count.
    chosen = random.sample([*objects.views], 10) + random.sample([*objects.updates], 8)
    by_one = store.full(chosen)
    request.getfixturevalue("tiny_ranges")
    inputs = store.inputs(chosen)
    events = [inputs.events(kind) for kind in KINDS]
    with full_load(events[0], events[1], {}, inputs.limits) as load:
        assert len(list(load.ranges)) > 9
    assert store.full(chosen) == by_one
    by_one.rejects = []
    assert by_one == objects.expected(chosen)


def test_only_extracts_of_the_days_of_added_events_are_read(tmp_path: Path) -> None:
    random, store = Random(1), Store(tmp_path)
    days = [
        [(user, url, START + timedelta(days=2 * n)) for user, url, _ in random_views(random, 0, 20)] for n in range(9)
    ]
    known = {item for n, some in enumerate(days[:8]) for item in store.extract("page_views", {str(n): body_of(some)})}
    # Of the third day a page view that is known already, of the sixth a new one.
    late = [days[2][0], (7, "/new/", days[5][0][2])]
    [added] = store.extract("page_views", {"late": body_of(days[8] + late)})
    events = store.inputs(known | {added}).added_events("page_views", known)
    added_or_not = [is_added for numbers in events.values() for is_added in numbers.values()]
    assert sorted(added_or_not) == [False, False, True]
    without = store.extract("page_views", {"empty": "{bad\n"})
    assert store.inputs(known | set(without)).added_events("page_views", known) == {}


def test_loads_without_events_are_empty(tmp_path: Path) -> None:
    store = Store(tmp_path)
    objects = {*store.extract("page_views", {"a": ""}), *store.extract("user_updates", {"a": "\n"})}
    empty = Tables({}, {}, [], {}, (0, 0))
    assert store.full(objects) == empty
    assert store.add(empty, set(), objects) == empty


@pytest.mark.parametrize("users", [1, 1_000_000])
def test_millions_of_page_views_are_counted_within_100_mb(tmp_path: Path, users: int) -> None:
    events, number = tmp_path / "events.parquet", 1_000_000
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT i % {users} AS user_id, '/products/' || i // 2 AS url,"
            " TIMESTAMP '2026-01-01' + to_seconds(i) AS instant, 0 AS object"
            f" FROM range({number}) AS numbers (i) ORDER BY ALL) TO '{events}' ({PARQUET})"
        )
        connection.execute(
            "COPY (SELECT 1::BIGINT AS user_id, 'a' AS email, 'A' AS name,"
            f" TIMESTAMP '2026-01-01' AS instant, 0 AS object) TO '{tmp_path}/u' ({PARQUET})"
        )
    limits = DuckLimits(100 * 10**6, 2, tmp_path / "spill")
    with full_load({events: []}, {tmp_path / "u": []}, {}, limits) as load:
        rows = 0
        for counted in load.ranges:
            query = f"SELECT count(*), sum(count) FROM ({counted.query})"
            with counted.connection.cursor() as cursor:
                [(count, views)] = cursor.execute(query).fetchall()
            rows += count
            assert (views or 0) == count * (2 if users == 1 else 1)
    assert rows == (number // 2 if users == 1 else number)
