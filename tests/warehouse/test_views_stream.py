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
    """User and email of each row, read back as PostgreSQL's documentation of COPY tells it."""
    at, found = 19, []
    while (columns := struct.unpack_from(">h", stream, at)[0]) != -1:
        at, values = at + 2, []
        for _ in range(columns):
            (size,) = struct.unpack_from(">i", stream, at)
            values.append(None if size < 0 else stream[at + 4 : at + 4 + size])
            at += 4 + max(size, 0)
        user, email = values[:2]
        assert user is not None
        found.append((struct.unpack(">q", user)[0], None if email is None else email.decode()))
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
