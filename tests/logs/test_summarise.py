"""Counting page views in parts and adding to what was counted, against plain Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import duckdb
import pytest

from flows.logs import bounds, emails, parting, partitions, summarise, urls
from flows.logs.changes import Part, added_parts, find_changes, find_days, parts_to_read
from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.logs.events_file import Events
from flows.logs.extract import Extractor
from flows.logs.extracts import Found, Scope, Unit, describe
from flows.logs.objects import LogObject
from flows.logs.spans import alone, meets, merged
from flows.logs.summarise import Summarised
from tests.test_user_page_views import update, view

Row = tuple[int, str, int, datetime]
Record = tuple[int, str, datetime]
START = datetime(2026, 1, 1, tzinfo=UTC)


def records_of(rng: random.Random, number: int, count: int) -> list[Record]:
    """Page views of one object; those of the next object start before its last ones."""
    return [
        (
            rng.choice([1, 2, 3, rng.randrange(-50, 1_000)]),
            f"/{int(40 * rng.random() ** 2)}/é",
            START + timedelta(minutes=10 * number + rng.randrange(13)),
        )
        for _ in range(count)
    ]


class Store:
    """Extracts in a folder, made of lists of records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: dict[str, Path] = {}
        self._numbers = iter(range(1_000))

    def extracted(self, kind: str, bodies: list[str]) -> Unit:
        """One unit of objects with these bodies."""
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        prefix = "PageViews/" if kind == "page_views" else "UserUpdates/"
        content = {f"{prefix}{folder.name}-{n}": body.encode() for n, body in enumerate(bodies)}

        @contextmanager
        def opened(item: LogObject) -> Iterator[BinaryIO]:
            yield BytesIO(content[item.key])

        objects = [LogObject(kind, key, "etag", len(body)) for key, body in content.items()]
        with duck(DuckSettings(threads=1)) as connection:
            done = Extractor(connection, "production", folder).extract(objects, opened)
        unit = describe(Scope("bucket", "production"), done)
        for stored, path in ((unit.events, done.events), (unit.urls, done.urls)):
            if stored is not None and path is not None:
                self.paths[stored.name] = path
        return unit

    def to_read(self, added: Unit, known: list[Unit]) -> list[Part]:
        """The extracts to read where a unit of one object is added to others."""
        new = [Found(added, 0)]
        days = find_days(added_parts(new), self.paths, DuckSettings())
        return parts_to_read(new, [Found(unit, 0) for unit in known], days)

    def events(self, unit: Unit, unwanted: tuple[int, ...] = ()) -> Events:
        urls = None if unit.urls is None else self.paths[unit.urls.name]
        return Events(self.paths[unit.events.name], urls, unit.spans, unwanted)


def body_of(records: list[Record]) -> str:
    return "".join(view(user, url, at.isoformat()) for user, url, at in records)


def counted(records: list[Record]) -> list[Row]:
    """The rows that distinct records make, in plain Python, in the order of the table."""
    found: dict[tuple[int, str], list[datetime]] = {}
    for user, url, at in set(records):
        found.setdefault((user, url), []).append(at)
    return [(*key, len(times), max(times)) for key, times in sorted(found.items())]


def rows_of(table: Path, urls: Path) -> list[Row]:
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT user_id, urls.url, count, epoch_us(last_viewed)"
            " FROM read_parquet($table, file_row_number = true) AS t"
            " JOIN read_parquet($urls) AS urls ON urls.number = t.url ORDER BY t.file_row_number",
            {"table": str(table), "urls": str(urls)},
        ).fetchall()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [(user, url, n, epoch + timedelta(microseconds=us)) for user, url, n, us in found]


def whole(store: Store, views: list[Events], updates: list[Events], name: str) -> Summarised:
    scratch = store.folder / name
    scratch.mkdir()
    events = {"page_views": views, "user_updates": updates}
    return summarise.summarise(events, scratch, DuckSettings(spill=scratch / "spill"))


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts, chunks and reads so small that a few thousand page views have many of each."""
    monkeypatch.setattr(bounds, "PART_VIEWS", 300)
    monkeypatch.setattr(parting, "_CHUNK_ROWS", 700)
    monkeypatch.setattr(parting, "_FILES_AT_ONCE", 2)
    monkeypatch.setattr(emails, "_UPDATES_AT_ONCE", 5)
    # Less than two files have together: their URLs are listed file by file.
    monkeypatch.setattr(urls, "_AT_ONCE_BYTES", 1)
    monkeypatch.setattr(partitions, "_READ_VIEWS", 97)


@pytest.mark.parametrize("seed", range(6))
def test_page_views_of_many_objects_in_many_parts_are_counted_as_in_plain_python(
    tmp_path: Path, small_parts: None, seed: int
) -> None:
    rng, store = random.Random(seed), Store(tmp_path)
    wanted: list[Record] = []
    views = []
    for unit in range(4):
        objects = [records_of(rng, 3 * unit + n, rng.randrange(900)) for n in range(3)]
        # Lines that come again: in the object, in its neighbour, and far away.
        for n, records in enumerate(objects):
            records += rng.sample(records, len(records) // 20)
            records += rng.sample(objects[n - 1], len(objects[n - 1]) // 20)
            records += rng.sample(wanted, len(wanted) // 50)
        unwanted = (1,) if unit == 2 else ()
        extract = store.extracted("page_views", [body_of(records) for records in objects])
        views.append(store.events(extract, unwanted))
        wanted += [one for n, some in enumerate(objects) if n not in unwanted for one in some]
    updates = [store.events(store.extracted("user_updates", [update(1, "a@example.com")]))]
    made = whole(store, views, updates, "whole")
    expected = counted(wanted)
    assert rows_of(made.table, made.urls) == expected
    assert (made.rows, made.page_views) == (len(expected), len(set(wanted)))


def test_one_user_with_all_page_views_is_counted(tmp_path: Path, small_parts: None) -> None:
    rng, store = random.Random(7), Store(tmp_path)
    records = [(5, f"/{rng.randrange(900)}/", START + timedelta(seconds=n)) for n in range(4_000)]
    views = [store.events(store.extracted("page_views", [body_of(records)]))]
    updates = [store.events(store.extracted("user_updates", [update(1, "a@example.com")]))]
    made = whole(store, views, updates, "whole")
    assert rows_of(made.table, made.urls) == counted(records)


def test_updates_told_apart_some_users_at_a_time_give_each_user_the_latest_email(
    tmp_path: Path, small_parts: None
) -> None:
    rng, store = random.Random(9), Store(tmp_path)
    written = [
        (f"2026-01-0{rng.randrange(1, 4)}T00:00:00", user, f"{rng.choice('abé')}@example.com")
        for user in rng.choices(range(-5, 60), k=200)
    ]
    bodies = [
        "".join(update(user, email, at) for at, user, email in some)
        for some in (written[:120], written[80:], written[::3])
    ]
    updates = [store.events(store.extracted("user_updates", bodies[:2]))]
    updates += [store.events(store.extracted("user_updates", bodies[2:]))]
    views = [store.events(store.extracted("page_views", [view(1, "/")]))]
    made = whole(store, views, updates, "whole")
    with duckdb.connect() as connection:
        latest = connection.execute(
            "SELECT user_id, email FROM read_parquet($path)", {"path": str(made.latest)}
        ).fetchall()
    users = {user for _, user, _ in written}
    expected = {
        user: max((at, email) for at, one, email in written if one == user) for user in users
    }
    assert latest == [(user, expected[user][1]) for user in sorted(users)]
    assert made.user_updates == len(set(written))


def test_urls_too_many_for_memory_lie_in_a_file_of_their_own_and_count_the_same(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    few = [(1, f"/{n}", START + timedelta(seconds=n % 3)) for n in range(9)]
    # Two of them are those of the others, at the same instant.
    many = [(1, f"/{n}", START + timedelta(seconds=n % 7)) for n in range(2**17 + 9)]
    small, large = (store.extracted("page_views", [body_of(records)]) for records in (few, many))
    assert small.urls is None
    assert large.urls is not None
    updates = [store.events(store.extracted("user_updates", [update(1, "a@example.com")]))]
    full = whole(store, [store.events(large), store.events(small)], updates, "full")
    assert rows_of(full.table, full.urls) == counted(few + many)
    base = whole(store, [store.events(small)], updates, "base")
    scratch = tmp_path / "changes"
    scratch.mkdir()
    changes = find_changes(
        {
            "page_views": store.to_read(large, [small]),
            "user_updates": [],
        },
        store.paths,
        base.latest,
        scratch,
        DuckSettings(),
    )
    new = counted([record for record in many if record not in few])
    assert rows_of(changes.rows, changes.urls) == new


@pytest.mark.parametrize("seed", range(4))
def test_what_added_objects_change_is_what_the_whole_has_more(tmp_path: Path, seed: int) -> None:
    rng, store = random.Random(seed), Store(tmp_path)
    before, after = [records_of(rng, n, 300) for n in range(3)], records_of(rng, 3, 300)
    after += rng.sample(before[2], 40) + rng.sample(before[0], 3)
    mails = [update(n, f"{n}@example.com", f"2026-01-0{1 + n % 5}T00:00:00") for n in range(20)]
    more = [
        update(n, rng.choice(["", f"new-{n}@example.com"]), "2026-01-03T12:00:00")
        for n in range(30)
    ]
    units = [store.extracted("page_views", [body_of(records)]) for records in before]
    old_mails = store.extracted("user_updates", ["".join(mails)])
    added, new_mails = (
        store.extracted("page_views", [body_of(after)]),
        store.extracted("user_updates", ["".join(more + mails[:3])]),
    )
    base = whole(store, [store.events(unit) for unit in units], [store.events(old_mails)], "base")
    all_units = [store.events(unit) for unit in [*units, added]]
    full = whole(store, all_units, [store.events(old_mails), store.events(new_mails)], "full")
    scratch = tmp_path / "changes"
    scratch.mkdir()
    changes = find_changes(
        {
            "page_views": store.to_read(added, units),
            "user_updates": store.to_read(new_mails, [old_mails]),
        },
        store.paths,
        base.latest,
        scratch,
        DuckSettings(),
    )
    table = {row[:2]: row[2:] for row in rows_of(base.table, base.urls)}
    for user, url, count, last in rows_of(changes.rows, changes.urls):
        known, latest = table.get((user, url), (0, last))
        table[user, url] = (known + count, max(latest, last))
    assert table == {row[:2]: row[2:] for row in rows_of(full.table, full.urls)}
    assert base.page_views + changes.page_views == full.page_views
    assert base.user_updates + changes.user_updates == full.user_updates
    with duckdb.connect() as connection:

        def users(path: Path) -> dict[int, tuple[object, ...]]:
            rows = connection.execute("FROM read_parquet(?)", [str(path)]).fetchall()
            return {row[0]: row[1:] for row in rows}

        latest_before, latest_after = users(base.latest), users(full.latest)
        assert users(changes.latest) == latest_after
        emails = {user: row[1] or None for user, row in latest_after.items()}
        old = {user: row[1] or None for user, row in latest_before.items()}
        changed = {user: (email,) for user, email in emails.items() if old.get(user) != email}
        assert users(changes.emails) == changed


def test_extracts_whose_time_does_not_meet_that_of_added_objects_are_not_read(
    tmp_path: Path,
) -> None:
    rng, store = random.Random(1), Store(tmp_path)
    units = [store.extracted("page_views", [body_of(records_of(rng, 5 * n, 20))]) for n in range(4)]
    added = store.extracted("page_views", [body_of(records_of(rng, 10, 20))])
    parts = store.to_read(added, units)
    assert {part.unit.manifest for part in parts} == {added.manifest, units[2].manifest}


def test_of_lines_that_come_late_just_the_extracts_of_their_own_time_are_read(
    tmp_path: Path,
) -> None:
    rng, store = random.Random(1), Store(tmp_path)
    days = [
        [(user, url, at + timedelta(days=n)) for user, url, at in records_of(rng, 0, 20)]
        for n in range(9)
    ]
    units = [store.extracted("page_views", [body_of(records)]) for records in days[:8]]
    # Of the days between, nothing; of the third day a line that is there already.
    late = [days[2][0], days[5][1]]
    added = store.extracted("page_views", [body_of(days[8] + late)])
    read = {part.unit.manifest for part in store.to_read(added, units)}
    assert read == {added.manifest, units[2].manifest, units[5].manifest}


def test_spans_of_time_that_meet_are_told_from_those_that_do_not() -> None:
    assert merged([(5, 9), (1, 3), (3, 4), (8, 12)]) == [(1, 4), (5, 12)]
    spans = merged([(1, 4), (8, 12)])
    met = [meets(span, spans) for span in ((0, 0), (0, 1), (4, 8), (5, 7), (12, 20), (13, 20))]
    assert met == [False, True, True, False, True, False]
    # The second lies within the first: neither is alone in its time.
    assert alone([(0, 10), (3, 5), (20, 30)]) == [(-2, 3), (10, 20), (10, 31)]
