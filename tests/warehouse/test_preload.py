"""Rows that are taken in while they are counted, at a first load."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import text

from flows.warehouse.connect import connected
from flows.warehouse.ledger import lock_environment
from flows.warehouse.preload import Preload
from flows.warehouse.publish import Whole
from flows.warehouse.views_stream import Rows, ViewFiles
from tests.support.publisher import Publisher, Row, write_views

A: Row = (1, "a@example.com", "/a/", 2, "2017-04-15 10:00:00")
B: Row = (2, None, "/b/", 1, "2017-04-15 10:00:00")
C: Row = (2, None, "/c/", 3, "2017-04-15 11:00:00")
ROWS = [A, B, C]


@dataclass
class Counted:
    """Rows as files, and as they are counted."""

    publisher: Publisher
    files: ViewFiles

    def start(self) -> Preload | None:
        return Preload.start(self.publisher.warehouse, self.files.urls, self.files.latest)

    def started(self) -> Preload:
        preload = self.start()
        assert preload is not None
        return preload

    def parts(self) -> list[Rows]:
        query = "SELECT user_id, url, count, epoch_us(last_viewed) AS last_viewed FROM read_parquet"
        with duckdb.connect() as connection:
            return [
                connection.execute(f"{query}($path) WHERE user_id = $user", values).fetchnumpy()
                for values in ({"path": str(self.files.rows), "user": user} for user in (1, 2))
            ]

    @property
    def whole(self) -> Whole:
        return Whole(self.files, len(ROWS), None)

    def tables(self) -> list[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = :schema ORDER BY 1"
        schema = self.publisher.tables.metadata.schema
        with self.publisher.engine.connect() as connection:
            return list(connection.scalars(text(query), {"schema": schema}))


@pytest.fixture
def counted(postgres_url: str, tmp_path: Path) -> Iterator[Counted]:
    with connected(postgres_url) as engine:
        yield Counted(Publisher(engine, tmp_path), write_views(tmp_path, ROWS))


def wide(rows: list[Row]) -> list[tuple[object, ...]]:
    return [row[:4] for row in rows]


def test_rows_taken_in_while_they_are_counted_are_published_with_the_key_and_the_ledgers_row(
    counted: Counted,
) -> None:
    publisher, preload = counted.publisher, counted.started()
    for rows in counted.parts():
        preload.add(rows)
    # Nobody sees anything of it, and nobody waits.
    assert "user_page_views" not in counted.tables()
    run = publisher.publish_content("one", publisher.listing(), counted.whole, preload=preload)
    preload.close()
    assert publisher.rows() == wide(ROWS)
    assert (run.summary["rows"], run.summary["rows_written"]) == (3, 3)
    assert publisher.latest() == run
    with publisher.engine.connect() as connection:
        schema = publisher.tables.metadata.schema
        keys = connection.scalars(
            text(
                "SELECT indexdef FROM pg_indexes WHERE schemaname = :schema"
                " AND tablename = 'user_page_views'"
            ),
            {"schema": schema},
        ).all()
    assert [key.partition(" USING ")[2] for key in keys] == ["btree (user_id, url)"]


def test_the_next_run_adds_to_rows_that_were_taken_in_while_they_were_counted(
    counted: Counted,
) -> None:
    publisher, preload = counted.publisher, counted.started()
    for rows in counted.parts():
        preload.add(rows)
    publisher.publish_content("one", publisher.listing(), counted.whole, preload=preload)
    preload.close()
    changed = [A, B, (2, None, "/c/", 4, "2017-04-15 11:00:00")]
    run = publisher.publish("two", publisher.listing(), changed)
    assert run.summary["rows_written"] == 1
    assert publisher.rows() == wide(changed)


def test_a_table_that_is_there_already_is_left_to_publishing(counted: Counted) -> None:
    counted.publisher.publish("one", counted.publisher.listing(), [A])
    assert counted.start() is None


def test_while_another_run_publishes_nothing_is_begun(counted: Counted) -> None:
    publisher = counted.publisher
    with publisher.engine.begin() as connection:
        lock_environment(connection, publisher.tables)
        assert counted.start() is None


def test_what_is_given_up_leaves_nothing_and_holds_nobody_up(counted: Counted) -> None:
    publisher, preload = counted.publisher, counted.started()
    for rows in counted.parts() * 10:  # more than may wait
        preload.add(rows)
    preload.close()
    assert "user_page_views" not in counted.tables()
    publisher.publish("one", publisher.listing(), [A])
    assert publisher.rows() == wide([A])


@pytest.mark.parametrize("when", ["before the rows", "after them"])
def test_where_the_connection_breaks_the_rows_are_copied_from_where_they_are_stored(
    counted: Counted, when: str
) -> None:
    publisher, preload = counted.publisher, counted.started()
    first, *others = counted.parts()
    preload.add(first)
    if when == "before the rows":
        end_transactions(publisher)
    for rows in others:
        preload.add(rows)
    if when == "after them":
        preload.add(None)
        preload.wait()
        end_transactions(publisher)
    run = publisher.publish_content("one", publisher.listing(), counted.whole, preload=preload)
    assert run.summary["rows_written"] == 3
    assert publisher.rows() == wide(ROWS)


def test_a_preload_is_ended_although_its_connection_broke_unnoticed(counted: Counted) -> None:
    preload = counted.started()
    end_transactions(counted.publisher)
    preload.close()
    preload.close()
    assert "user_page_views" not in counted.tables()


def end_transactions(publisher: Publisher) -> None:
    """End all transactions that have made the table, from another connection."""
    with publisher.engine.connect() as connection:
        ended = connection.scalars(
            text(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
            )
        ).all()
    assert ended == [True]


def test_an_id_that_the_ledger_knows_is_left_as_it_is_and_its_rows_are_not_published(
    counted: Counted,
) -> None:
    publisher = counted.publisher
    first = publisher.publish("one", publisher.listing(), [A])
    with publisher.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {publisher.tables.metadata.schema}.user_page_views"))
    preload = counted.started()
    for rows in counted.parts():
        preload.add(rows)
    again = publisher.publish_content("one", publisher.listing(), counted.whole, preload=preload)
    assert again == first
    assert "user_page_views" not in counted.tables()


def test_a_run_that_was_overtaken_publishes_no_row_that_was_taken_in(counted: Counted) -> None:
    publisher = counted.publisher
    earlier, later = publisher.listing(), publisher.listing()
    publisher.publish("later", later, [A])
    with publisher.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {publisher.tables.metadata.schema}.user_page_views"))
    preload = counted.started()
    for rows in counted.parts():
        preload.add(rows)
    run = publisher.publish_content("earlier", earlier, counted.whole, preload=preload)
    assert (run.summary["overtaken"], run.summary["rows_written"]) == (True, 0)
    assert "user_page_views" not in counted.tables()


def test_rows_that_are_not_those_of_the_summary_are_a_defect_and_not_published(
    counted: Counted,
) -> None:
    publisher, preload = counted.publisher, counted.started()
    preload.add(counted.parts()[0])
    with pytest.raises(AssertionError, match="1 rows were taken in, not 3"):
        publisher.publish_content("one", publisher.listing(), counted.whole, preload=preload)
    preload.close()
    assert "user_page_views" not in counted.tables()
