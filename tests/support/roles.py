"""Passwords of the database's roles: by itself, the tests' server asks for none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg2

from tests.support.world import World


def with_password(url: str, password: str) -> str:
    """The URL of the tests' server with a password, which it does not check."""
    assert "postgres:@" in url
    return url.replace("postgres:@", f"postgres:{quote(password, safe='')}@")


@contextmanager
def role_with_password(world: World, role: str) -> Iterator[str]:
    """Within: a role with the password `another`, which the server checks."""
    [(hba,)] = world.execute("SHOW hba_file")
    before = Path(hba).read_text()
    world.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'another'")
    Path(hba).write_text(f"local all {role} scram-sha-256\n{before}")
    _reload_settings(world.settings["DATABASE_URL"])
    yield role
    Path(hba).write_text(before)
    _reload_settings(world.settings["DATABASE_URL"])
    world.execute(f"DROP ROLE {role}")


def _reload_settings(url: str) -> None:
    """Let the database reload its configuration files, and wait until it has."""
    end = time.monotonic() + 30
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT pg_conf_load_time(), pg_reload_conf()")
        before = loaded = cursor.fetchall()[0][0]
        while loaded == before:
            assert time.monotonic() < end
            cursor.execute("SELECT pg_conf_load_time()")
            [(loaded,)] = cursor.fetchall()
