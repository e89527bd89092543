"""Publishing, straight at the database: order of listings, one transaction, rows that differ."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from flows.errors import WarehouseError
from flows.warehouse.connect import connected
from flows.warehouse.ledger import find_run
from tests.support.publisher import Publisher, Row


@pytest.fixture
def publisher(postgres_url: str, tmp_path: Path) -> Iterator[Publisher]:
    with connected(postgres_url) as engine:
        yield Publisher(engine, tmp_path)


A: Row = (1, "a@example.com", "/a/", 2, "2017-04-15 10:00:00")
B: Row = (2, None, "/b/", 1, "2017-04-15 10:00:00")


def test_a_run_that_listed_earlier_never_overwrites_one_that_listed_later(
    publisher: Publisher,
) -> None:
    earlier, later = publisher.listing(), publisher.listing()
    publisher.publish("later", later, [A, B])
    run = publisher.publish("earlier", earlier, [A])
    assert (run.summary["overtaken"], run.summary["rows_written"]) == (True, 0)
    assert publisher.rows() == [A[:4], B[:4]]
    found = find_run(publisher.warehouse, "flow", "earlier")
    assert found is not None
    assert found.summary == run.summary


def test_a_run_that_listed_later_publishes_over_one_that_listed_earlier(
    publisher: Publisher,
) -> None:
    earlier, later = publisher.listing(), publisher.listing()
    publisher.publish("earlier", earlier, [A])
    run = publisher.publish("later", later, [B])
    assert (run.summary["overtaken"], run.summary["rows_written"]) == (False, 2)
    assert publisher.rows() == [B[:4]]


def test_an_overtaken_run_does_not_hold_up_the_ones_after_it(publisher: Publisher) -> None:
    first, second = publisher.listing(), publisher.listing()
    publisher.publish("second", second, [A])
    publisher.publish("first", first, [B])
    assert not publisher.publish("third", publisher.listing(), [B]).summary["overtaken"]
    assert publisher.rows() == [B[:4]]


def test_an_id_that_another_process_has_published_in_the_meantime_is_left_as_it_is(
    publisher: Publisher,
) -> None:
    first = publisher.publish("one", publisher.listing(), [A])
    assert publisher.publish("one", publisher.listing(), [B]) == first
    assert publisher.rows() == [A[:4]]
    publisher.publish("one", publisher.listing(), [B], again=True)
    assert publisher.rows() == [B[:4]]


def test_a_refresh_that_another_refresh_of_the_id_overtakes_leaves_the_newer_row(
    publisher: Publisher,
) -> None:
    publisher.publish("one", publisher.listing(), [A])
    earlier, later = publisher.listing(), publisher.listing()
    newer = publisher.publish("one", later, [B], again=True)
    assert publisher.publish("one", earlier, [A], again=True) == newer
    assert find_run(publisher.warehouse, "flow", "one") == newer
    # Nor does the ledger forget how new the table is.
    assert publisher.publish("two", earlier, [A]).summary["overtaken"]
    assert publisher.rows() == [B[:4]]


def test_a_publish_that_fails_leaves_table_and_ledger_as_they_were(publisher: Publisher) -> None:
    publisher.publish("one", publisher.listing(), [A])
    too_far = (3, "c@example.com", "/c/", -1, "2017-04-15 10:00:00")
    schema = publisher.tables.metadata.schema
    with publisher.engine.begin() as connection:
        connection.execute(
            text(f"ALTER TABLE {schema}.user_page_views ADD CONSTRAINT positive CHECK (count > 0)")
        )
    with pytest.raises(Exception, match="violates check constraint"):
        publisher.publish("two", publisher.listing(), [B, too_far])
    assert publisher.rows() == [A[:4]]
    assert find_run(publisher.warehouse, "flow", "two") is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP COLUMN email", "email must be TEXT"),
        ("ALTER COLUMN url TYPE varchar(99)", "url must be TEXT, is VARCHAR"),
        ("DROP CONSTRAINT user_page_views_pkey", "primary key must be"),
    ],
)
def test_a_table_of_another_shape_is_refused_by_name(
    publisher: Publisher, change: str, named: str
) -> None:
    publisher.publish("one", publisher.listing(), [A])
    schema = publisher.tables.metadata.schema
    with publisher.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {schema}.user_page_views {change}"))
    with pytest.raises(WarehouseError, match=named):
        publisher.publish("two", publisher.listing(), [B])


def test_a_role_without_the_right_to_create_publishes_once_the_tables_are_there(
    publisher: Publisher, postgres_url: str, tmp_path: Path
) -> None:
    publisher.publish("one", publisher.listing(), [A])
    schema, role = publisher.tables.metadata.schema, f"loader_{publisher.tables.metadata.schema}"
    with publisher.engine.begin() as connection:
        for grant in (
            f"CREATE ROLE {role} LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT USAGE ON SEQUENCE {schema}.pipeline_listings TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        ):
            connection.execute(text(grant))
    url = make_url(postgres_url).set(username=role)
    with connected(url.render_as_string(hide_password=False)) as engine:
        mine = Publisher(engine, tmp_path, publisher.tables)
        mine.publish("two", mine.listing(), [B])
    assert publisher.rows() == [B[:4]]
