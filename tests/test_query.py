"""`python -m deployments.query`: what it prints, and what it says of a query that PostgreSQL refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from deployments.query import main
from tests.support.long import sampled
from tests.support.programs import python
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, fill

Query = Callable[[str], str]


@pytest.fixture(scope="module")
def published(services: Services, prefect_server: None) -> World:
    """A world with one run, in a schema whose name must be quoted."""
    world = World.new(services)
    world.register(DATABASE_SCHEMA="Mixed, Case")
    fill(world, FIRST)
    world.run("one")
    return world


@pytest.fixture
def query(published: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Query:
    """A function that runs a query on a terminal of 80 columns, and returns what it prints."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(statement: str) -> str:
        main(statement, published.name)
        return capsys.readouterr().out

    return run


def test_rows_are_a_table_if_they_fit_and_one_value_a_line_otherwise(query: Query) -> None:
    lines = query("SELECT user_id, url, count FROM user_page_views ORDER BY 1, 2").splitlines()
    assert [line.split() for line in lines if "user_id" in line] == [["user_id", "url", "count"]]
    assert max(map(len, lines)) <= 80
    lines = query("SELECT * FROM pipeline_runs").splitlines()
    assert (lines[0][:20], lines[-1]) == ("-[ RECORD 1 ]-------", "1 row")
    shown = [line.partition("|")[0].strip() for line in lines[1:-1]]
    assert {"flow", "id", "published_at", "page_views_rejected"} < set(shown)
    assert len(shown) == len(set(shown))
    for statement in ("SELECT * FROM pipeline_runs WHERE false", "SET LOCAL work_mem = '1MB'"):
        assert query(statement).splitlines()[-1] == "0 rows"


def test_what_a_log_contains_does_not_reach_the_terminal_raw(query: Query) -> None:
    hostile = r"""E'\x1b]0;title\x07\r\n\u202e' AS "a\u009b", '[red]:smile: 50% :name' AS plain, NULL AS nothing"""
    shown = query(f"SELECT {hostile}")
    assert r"\x1b]0;title\x07\r\n\u202e" in shown
    assert "[red]:smile: 50% :name" in shown
    assert [one for one in shown if not one.isprintable() and one != "\n"] == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT *\nFORM user_page_views", 'syntax error at or near "FORM"\nLINE 2: FORM user_page_views\n        ^'),
        ("SELECT nope FROM user_page_views", 'column "nope" does not exist\nLINE 1: SELECT nope FROM'),
        ("DELETE FROM user_page_views", "cannot execute DELETE in a read-only transaction"),
        ("COMMIT; DROP TABLE user_page_views", "cannot execute DROP TABLE in a read-only transaction"),
        ("ROLLBACK; DROP TABLE user_page_views", "cannot execute DROP TABLE in a read-only transaction"),
        ("SELECT 1/0", "division by zero"),
        ("", "can't execute an empty query"),
    ],
)
def test_a_query_that_is_refused_is_answered_with_postgresql_s_words(
    query: Query, capsys: pytest.CaptureFixture[str], statement: str, said: str
) -> None:
    with pytest.raises(typer.Exit):
        query(statement)
    error = capsys.readouterr().err
    assert f"PostgreSQL refuses the query: {said}" in error
    assert "published" not in error


def test_an_unknown_environment_is_answered_with_the_known_ones(
    published: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        main("SELECT 1", "unknown")
    assert "There is no environment 'unknown'. Known environments: local, " in capsys.readouterr().err


@pytest.mark.parametrize("variables", sampled([{"PGPORT": "9", "PGHOST": "/nowhere", "TMPDIR": "/nowhere"}, {}], 2))
def test_the_environment_local_is_queried_without_its_other_services(tmp_path: Path, variables: dict[str, str]) -> None:
    shown = python("-m", "deployments.query", "SELECT 6 * 7 AS answer", folder=tmp_path, variables=variables).stdout
    assert "42" in shown
    assert [path.name for path in (tmp_path / ".local").iterdir()] == ["postgres"]


@pytest.mark.long
def test_the_help_teaches_within_80_columns_and_a_locale_that_the_machine_lacks_is_answered_with_the_remedy(
    tmp_path: Path,
) -> None:
    command = ("-m", "deployments.query", "--help")
    shown = python(*command, variables={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout
    assert "--environment staging" in shown
    assert max(map(len, shown.splitlines())) <= 80
    done = python(*command[:2], "SELECT 1", folder=tmp_path, variables={"LC_ALL": "xx_YY.UTF-8"}, check=False)
    assert "does not start: see the reason logged above; if it is the locale, set LC_ALL=C.UTF-8." in done.stderr
