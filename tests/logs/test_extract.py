"""The files of an extract: anyone can read them, and equal objects give equal files."""

import io
from pathlib import Path
from random import Random

import duckdb

from tests.support.cases import update, view
from tests.support.grammar import LINES
from tests.support.readers import extract_streams


def test_equal_objects_give_equal_files_byte_for_byte(tmp_path: Path) -> None:
    random = Random(7)
    for kind, lines in LINES.items():
        data = b"\n".join(random.choice(lines) for _ in range(5_000))
        found = set()
        for _ in range(3):
            done = extract_streams(kind, {"x": io.BytesIO(data), "y": io.BytesIO(b"7")}, tmp_path)
            assert done.rejects is not None
            found.add((done.events.read_bytes(), done.rejects.read_bytes()))
        assert len(found) == 1


def test_any_reader_of_parquet_sees_records_with_texts_sorted_by_user(tmp_path: Path) -> None:
    urls = ["/b/", "/\u00e9/", "/a/"]
    body = b"\n".join(view(user_id=str(user), url=f'"{url}"') for user in (3, -1, 2) for url in urls)
    views = {"PageViews/a": io.BytesIO(body + b"\n" + body), "PageViews/b": io.BytesIO(view())}
    events = duckdb.read_parquet(str(extract_streams("page_views", views, tmp_path).events))
    columns = [f"{name} {type}" for name, type in zip(events.columns, events.types, strict=True)]
    assert columns == ["user_id BIGINT", "url VARCHAR", "instant TIMESTAMP", "object INTEGER"]
    wanted = [(user, url, 0) for user in (-1, 2, 3) for url in sorted(urls)]
    wanted.append((2083, "/products/916/", 1))
    assert events.project("user_id, url, object").fetchall() == wanted

    body = update(user_id="7", email="a@example.com", name='"A\nB"') + b"\nbad\n" + update()
    done = extract_streams("user_updates", {"UserUpdates/a": io.BytesIO(body)}, tmp_path)
    updates = duckdb.read_parquet(str(done.events))
    assert updates.columns == ["user_id", "email", "name", "instant", "object"]
    assert [row[:3] for row in updates.fetchall()] == [
        (7, "a@example.com", "A\nB"),
        (1572, "XWxBPKqjkeV@example.com", "Cheri Honey"),
    ]
    rejects = duckdb.read_parquet(str(done.rejects)).fetchall()
    assert rejects == [("UserUpdates/a", 3, "malformed", "bad")]


def test_an_object_without_events_has_no_span(tmp_path: Path) -> None:
    bodies = [b"", b"bad", view(ts='"2017-04-15T00:00:00.5"') + b"\n" + view(), b"\n\n"]
    streams = {str(number): io.BytesIO(body) for number, body in enumerate(bodies)}
    done = extract_streams("page_views", streams, tmp_path)
    instants = (1_492_214_400_500_000, 1_492_276_149_000_000)
    assert done.spans == [None, None, instants, None]
    assert [counts.lines for counts in done.counts] == [0, 1, 2, 0]
