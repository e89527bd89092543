"""Adding to tables that are as a run has left them, and only to those."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from flows.warehouse.connect import connected
from flows.warehouse.publish import Additions, BaseMoved
from tests.support.publisher import Publisher, Row, write_views

AT, LATER = "2017-04-15 10:00:00", "2018-04-15 10:00:00"
A: Row = (1, "a@example.com", "/a/", 2, AT)
B: Row = (2, None, "/b/", 1, AT)


@pytest.fixture
def publisher(postgres_url: str, tmp_path: Path) -> Iterator[Publisher]:
    with connected(postgres_url) as engine:
        yield Publisher(engine, tmp_path)


def add(publisher: Publisher, id: str, base: int, rows: list[Row]) -> dict[str, object]:
    content = Additions(base, write_views(publisher.folder, rows), None, None)
    return publisher.publish_content(id, publisher.listing(), content).summary


def change(publisher: Publisher, statement: str) -> None:
    with publisher.engine.begin() as connection:
        schema = publisher.tables.metadata.schema
        connection.execute(text(statement.format(table=f"{schema}.user_page_views")))


def test_counts_are_added_emails_replaced_and_new_rows_inserted(publisher: Publisher) -> None:
    base = publisher.publish("one", publisher.listing(), [A, B])
    new: list[Row] = [(1, "new@example.com", "/a/", 3, LATER), (3, None, "/c/", 1, AT)]
    summary = add(publisher, "two", base.listing, new)
    assert publisher.rows() == [(1, "new@example.com", "/a/", 5), B[:4], (3, None, "/c/", 1)]
    assert (summary["rows"], summary["rows_written"]) == (3, 2)


def test_additions_go_on_top_of_additions(publisher: Publisher) -> None:
    listing = publisher.publish("0", publisher.listing(), [A]).listing
    for number in range(1, 4):
        add(publisher, str(number), listing, [(1, "a@example.com", "/a/", 1, LATER)])
        listing = publisher.latest().listing
    assert publisher.rows() == [(1, "a@example.com", "/a/", 5)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET count = count + 1 WHERE user_id = 1",
        "DELETE FROM {table} WHERE user_id = 1",
        "INSERT INTO {table} VALUES (9, NULL, '/', 1, now())",
        "TRUNCATE {table}",
        "CREATE TABLE {table}_2 AS TABLE {table}; DELETE FROM {table};"
        " INSERT INTO {table} SELECT * FROM {table}_2",
    ],
)
def test_nothing_is_added_to_a_table_that_somebody_has_changed(
    publisher: Publisher, statement: str
) -> None:
    base = publisher.publish("one", publisher.listing(), [A, B])
    change(publisher, statement)
    before = publisher.rows()
    with pytest.raises(BaseMoved) as moved:
        add(publisher, "two", base.listing, [A])
    assert moved.value.base is None
    assert publisher.rows() == before


def test_nothing_is_added_to_the_tables_of_another_run_than_the_base(publisher: Publisher) -> None:
    base = publisher.publish("one", publisher.listing(), [A])
    other = publisher.publish("two", publisher.listing(), [A, B])
    with pytest.raises(BaseMoved) as moved:
        add(publisher, "three", base.listing, [A])
    assert moved.value.base == other


def test_a_ledger_row_of_another_transaction_than_it_says_is_no_base(publisher: Publisher) -> None:
    base = publisher.publish("one", publisher.listing(), [A])
    # As after a restore: the same content, written by somebody else.
    with publisher.engine.begin() as connection:
        schema = publisher.tables.metadata.schema
        connection.execute(text(f"UPDATE {schema}.pipeline_runs SET fingerprint = fingerprint"))
    with pytest.raises(BaseMoved):
        add(publisher, "two", base.listing, [A])


def test_a_table_that_was_rewritten_by_others_is_added_to_after_one_comparison(
    publisher: Publisher,
) -> None:
    publisher.publish("one", publisher.listing(), [A, B])
    change(publisher, "ALTER TABLE {table} ADD COLUMN theirs double precision DEFAULT random()")
    base = publisher.publish("two", publisher.listing(), [A, B])
    assert base.summary["rows_written"] == 0
    assert add(publisher, "three", base.listing, [A])["rows_written"] == 1


def test_many_rows_with_every_sort_of_text_and_number_arrive_as_they_are(
    publisher: Publisher,
) -> None:
    texts = ["a@example.com", "é\u2028😀", "\\N", '"quoted", and more', "\t\n\r", "x" * 5_000]
    rows: list[Row] = [
        (user, texts[user % 6] if user % 7 else None, f"/{texts[n % 6]}/{n}", 2**62 + n, AT)
        for user in (*range(-20, 20), 2**63 - 1, -(2**63))
        for n in range(800)
    ]
    publisher.publish("one", publisher.listing(), rows)
    assert publisher.rows() == sorted((row[:4] for row in rows), key=lambda row: (row[0], row[2]))


def test_a_table_without_rows_is_published(publisher: Publisher) -> None:
    publisher.publish("one", publisher.listing(), [A])
    assert publisher.publish("two", publisher.listing(), []).summary["rows_written"] == 1
    assert publisher.rows() == []
