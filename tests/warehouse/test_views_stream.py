"""Rows of user_page_views in the form that COPY reads."""

from __future__ import annotations

import struct
from pathlib import Path

import duckdb
import numpy as np
import pytest

from flows.logs.duck import write
from flows.warehouse import views_stream
from flows.warehouse.views_stream import Rows, encoded

USERS = [-(2**63), -5, -4, 0, 7, 8, 9, 2**40, 2**63 - 1]
EMAILS = {-(2**63): "a@example.com", -5: "", 0: "é@example.com", 7: "b", 9: "c", 2**63 - 1: "d"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    urls, latest = tmp_path / "urls.parquet", tmp_path / "latest.parquet"
    connection = duckdb.connect()
    connection.sql("SELECT 1 AS number, '/' AS url").write_parquet(str(urls))
    connection.execute("CREATE TABLE latest (user_id BIGINT, email VARCHAR)")
    connection.executemany("INSERT INTO latest VALUES (?, ?)", list(EMAILS.items()))
    connection.sql("FROM latest ORDER BY user_id").write_parquet(str(latest))
    return urls, latest


def chunk(users: list[int]) -> Rows:
    return {
        "user_id": np.array(users, np.int64),
        "url": np.ones(len(users), np.int64),
        "count": np.ones(len(users), np.int64),
        "last_viewed": np.zeros(len(users), np.int64),
    }


def emails_in(stream: bytes) -> list[tuple[int, str | None]]:
    """User and email of each row."""
    return [(user, email) for user, email, _ in rows_in(stream)]


def rows_in(stream: bytes) -> list[tuple[int, str | None, str]]:
    """User, email and URL of each row, read back as PostgreSQL's documentation of COPY tells it."""
    at, found = 19, []
    while (columns := struct.unpack_from(">h", stream, at)[0]) != -1:
        at, values = at + 2, []
        for _ in range(columns):
            (size,) = struct.unpack_from(">i", stream, at)
            values.append(None if size < 0 else stream[at + 4 : at + 4 + size])
            at += 4 + max(size, 0)
        user, email, url = values[:3]
        assert user is not None
        assert url is not None
        address = None if email is None else email.decode()
        found.append((struct.unpack(">q", user)[0], address, url.decode()))
    return found


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
@pytest.mark.parametrize("most_bytes", [0, 100, 1_000])
@pytest.mark.parametrize("size", [1, 2, 4, len(USERS)])
def test_each_user_has_their_own_email_however_many_are_looked_up_at_once(
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    most_bytes: int,
    size: int,
) -> None:
    monkeypatch.setattr(views_stream, "_USERS_AT_ONCE", at_once)
    monkeypatch.setattr(views_stream, "_EMAIL_BYTES", most_bytes)
    chunks = [chunk(USERS[first : first + size]) for first in range(0, len(USERS), size)]
    stream = b"".join(encoded(chunks, *files))
    assert emails_in(stream) == [(user, EMAILS.get(user) or None) for user in USERS]


def test_long_emails_of_many_users_are_looked_up_in_little_memory(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    latest, size = tmp_path / "long.parquet", 5_000
    emails = (
        f"SELECT range AS user_id, repeat('é', {size // 2}) || range AS email FROM range(20_000)"
    )
    with duckdb.connect() as connection:
        write(connection, emails, latest)
    chunks = [chunk([user]) for user in (0, 5, 19_999)]
    found = emails_in(b"".join(encoded(chunks, files[0], latest)))
    assert found == [(user, "é" * (size // 2) + str(user)) for user in (0, 5, 19_999)]


@pytest.mark.parametrize("most_bytes", [0, 1, 7, 1_000])
def test_each_row_has_its_own_url_however_many_are_read_at_once(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    monkeypatch.setattr(views_stream, "_URL_BYTES", most_bytes)
    texts = ["/", "/é/€/", "/" + "x" * 2_000, "/b", "/c"]
    urls = tmp_path / "several.parquet"
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE urls (number INTEGER, url VARCHAR)")
        connection.executemany("INSERT INTO urls VALUES (?, ?)", list(enumerate(texts, 1)))
        write(connection, "FROM urls ORDER BY number", urls)
    rows = chunk([3] * len(texts))
    rows["url"] = np.array([5, 1, 3, 2, 4], np.int64)
    found = rows_in(b"".join(encoded([rows], urls, files[1])))
    assert [url for _, _, url in found] == [texts[number - 1] for number in (5, 1, 3, 2, 4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["urls.parquet", "latest.parquet", "several.parquet"]
    )


def test_urls_that_are_more_than_memory_has_room_for_are_all_written(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    urls, number = tmp_path / "many.parquet", 700_000
    query = f"SELECT range + 1 AS number, repeat('x', 400) || range AS url FROM range({number})"
    with duckdb.connect() as connection:
        write(connection, query, urls)
    rows = chunk([3, 3, 3])
    rows["url"] = np.array([1, 350_000, number], np.int64)
    found = rows_in(b"".join(encoded([rows], urls, files[1])))
    assert [url for _, _, url in found] == ["x" * 400 + str(n) for n in (0, 349_999, 699_999)]
