"""Publishing, straight at the database: order of listings, one transaction, rows that differ."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import Engine, make_url, text

from flows.errors import WarehouseError
from flows.warehouse.connect import connected
from flows.warehouse.ledger import Listing, PublishedRun, find_run, next_listing, prepare
from flows.warehouse.publish import Publication, publish
from flows.warehouse.tables import ACCOUNT, Tables

_numbers = itertools.count(1)
Row = tuple[int, str | None, str, int, str]


class Warehouse:
    """A schema of the test's own, and runs that publish given rows."""

    def __init__(self, engine: Engine, folder: Path, tables: Tables | None = None) -> None:
        self.engine, self.folder = engine, folder
        self.tables = tables or Tables(f"warehouse_{next(_numbers)}")
        prepare(engine, self.tables)

    def listing(self) -> Listing:
        return next_listing(self.engine, self.tables)

    def publish(
        self, id: str, listing: Listing, rows: list[Row], *, again: bool = False
    ) -> PublishedRun:
        table = self.folder / f"{id}.parquet"
        with duckdb.connect() as connection:
            connection.execute(
                "CREATE TABLE t (user_id BIGINT, email VARCHAR, url VARCHAR, count BIGINT,"
                " last_viewed TIMESTAMP)"
            )
            for row in rows:
                connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row)
            connection.table("t").write_parquet(str(table))
        publication = Publication(
            flow="flow",
            id=id,
            started_at=datetime.now(timezone.utc),
            listing=listing,
            fingerprint="f",
            account={f"{k}_{part}": 0 for k in ("page_views", "user_updates") for part in ACCOUNT},
            table=table,
            rejects=[],
            stages={},
            summary={"id": id},
        )
        return publish(self.engine, self.tables, publication, self.folder, again=again)

    def rows(self) -> list[tuple[object, ...]]:
        schema = self.tables.metadata.schema
        query = f"SELECT user_id, email, url, count FROM {schema}.user_page_views ORDER BY 1, 3"
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def warehouse(postgres_url: str, tmp_path: Path) -> Iterator[Warehouse]:
    with connected(postgres_url) as engine:
        yield Warehouse(engine, tmp_path)


A: Row = (1, "a@example.com", "/a/", 2, "2017-04-15 10:00:00")
B: Row = (2, None, "/b/", 1, "2017-04-15 10:00:00")


def test_a_run_that_listed_earlier_never_overwrites_one_that_listed_later(
    warehouse: Warehouse,
) -> None:
    earlier, later = warehouse.listing(), warehouse.listing()
    warehouse.publish("later", later, [A, B])
    run = warehouse.publish("earlier", earlier, [A])
    assert (run.summary["overtaken"], run.summary["rows_written"]) == (True, 0)
    assert warehouse.rows() == [A[:4], B[:4]]
    found = find_run(warehouse.engine, warehouse.tables, "flow", "earlier")
    assert found is not None
    assert found.summary == run.summary


def test_a_run_that_listed_later_publishes_over_one_that_listed_earlier(
    warehouse: Warehouse,
) -> None:
    earlier, later = warehouse.listing(), warehouse.listing()
    warehouse.publish("earlier", earlier, [A])
    run = warehouse.publish("later", later, [B])
    assert (run.summary["overtaken"], run.summary["rows_written"]) == (False, 2)
    assert warehouse.rows() == [B[:4]]


def test_an_overtaken_run_does_not_hold_up_the_ones_after_it(warehouse: Warehouse) -> None:
    first, second = warehouse.listing(), warehouse.listing()
    warehouse.publish("second", second, [A])
    warehouse.publish("first", first, [B])
    assert not warehouse.publish("third", warehouse.listing(), [B]).summary["overtaken"]
    assert warehouse.rows() == [B[:4]]


def test_an_id_that_another_process_has_published_in_the_meantime_is_left_as_it_is(
    warehouse: Warehouse,
) -> None:
    first = warehouse.publish("one", warehouse.listing(), [A])
    assert warehouse.publish("one", warehouse.listing(), [B]) == first
    assert warehouse.rows() == [A[:4]]
    warehouse.publish("one", warehouse.listing(), [B], again=True)
    assert warehouse.rows() == [B[:4]]


def test_a_publish_that_fails_leaves_table_and_ledger_as_they_were(warehouse: Warehouse) -> None:
    warehouse.publish("one", warehouse.listing(), [A])
    too_far = (3, "c@example.com", "/c/", -1, "2017-04-15 10:00:00")
    schema = warehouse.tables.metadata.schema
    with warehouse.engine.begin() as connection:
        connection.execute(
            text(f"ALTER TABLE {schema}.user_page_views ADD CONSTRAINT positive CHECK (count > 0)")
        )
    with pytest.raises(Exception, match="violates check constraint"):
        warehouse.publish("two", warehouse.listing(), [B, too_far])
    assert warehouse.rows() == [A[:4]]
    assert find_run(warehouse.engine, warehouse.tables, "flow", "two") is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP COLUMN email", "email must be TEXT"),
        ("ALTER COLUMN url TYPE varchar(99)", "url must be TEXT, is VARCHAR"),
        ("DROP CONSTRAINT user_page_views_pkey", "primary key must be"),
    ],
)
def test_a_table_of_another_shape_is_refused_by_name(
    warehouse: Warehouse, change: str, named: str
) -> None:
    warehouse.publish("one", warehouse.listing(), [A])
    schema = warehouse.tables.metadata.schema
    with warehouse.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {schema}.user_page_views {change}"))
    with pytest.raises(WarehouseError, match=named):
        warehouse.publish("two", warehouse.listing(), [B])


def test_a_role_without_the_right_to_create_publishes_once_the_tables_are_there(
    warehouse: Warehouse, postgres_url: str, tmp_path: Path
) -> None:
    warehouse.publish("one", warehouse.listing(), [A])
    schema, role = warehouse.tables.metadata.schema, f"loader_{warehouse.tables.metadata.schema}"
    with warehouse.engine.begin() as connection:
        for grant in (
            f"CREATE ROLE {role} LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT USAGE ON SEQUENCE {schema}.pipeline_listings TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        ):
            connection.execute(text(grant))
    url = make_url(postgres_url).set(username=role)
    with connected(url.render_as_string(hide_password=False)) as engine:
        mine = Warehouse(engine, tmp_path, warehouse.tables)
        mine.publish("two", mine.listing(), [B])
    assert warehouse.rows() == [B[:4]]
