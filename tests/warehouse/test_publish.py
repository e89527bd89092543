"""Publishing, straight at the database: order of listings, one transaction, shapes, privileges."""

from pathlib import Path

import pytest

from flows.errors import WarehouseError
from flows.warehouse.connect import connected
from flows.warehouse.ledger import find_run
from tests.support.publisher import Publisher, RoleUrl
from tests.test_user_page_views import update, view

UPDATES = {"UserUpdates/1": update(1, "a@example.com")}
A = {"PageViews/a": view(1), **UPDATES}
B = {"PageViews/b": view(2, "/b/"), **UPDATES}
A_ROW, B_ROW = (1, "a@example.com", "/a/", 1), (2, None, "/b/", 1)


def summary_of(publisher: Publisher, id: str) -> object:
    run = find_run(publisher.warehouse, "flow", id)
    return None if run is None else run.summary


def test_a_run_that_listed_earlier_never_overwrites_one_that_listed_later(publisher: Publisher) -> None:
    earlier, later = publisher.listing(), publisher.listing()
    publisher.publish("later", A | B, later)
    summary = publisher.publish("earlier", A, earlier)
    assert (summary["overtaken"], summary["rows"], summary["rows_written"]) == (True, 1, 0)
    assert publisher.rows() == [A_ROW, B_ROW]
    assert summary_of(publisher, "earlier") == summary
    # Nor does it hinder those after it.
    assert not publisher.publish("third", B)["overtaken"]
    assert publisher.rows() == [B_ROW]


def test_an_id_that_another_process_has_published_in_the_meantime_is_left_as_it_is(publisher: Publisher) -> None:
    first = publisher.publish("one", A)
    assert publisher.publish("one", B) == first
    assert publisher.rows() == [A_ROW]
    assert publisher.publish("one", B, refresh=True) != first
    assert publisher.rows() == [B_ROW]


def test_a_refresh_that_another_refresh_of_the_id_overtakes_leaves_the_newer_row(publisher: Publisher) -> None:
    publisher.publish("one", A)
    earlier, later = publisher.listing(), publisher.listing()
    newer = publisher.publish("one", B, later, refresh=True)
    assert publisher.publish("one", A, earlier, refresh=True) == newer
    assert summary_of(publisher, "one") == newer
    # The ledger still knows how new the table is.
    assert publisher.publish("two", A, earlier)["overtaken"]
    assert publisher.rows() == [B_ROW]


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ADD CONSTRAINT few CHECK (count < 2)", "violates check constraint"),
        ("ALTER email SET NOT NULL", 'null value in column "email"'),
        ("ALTER user_id ADD GENERATED ALWAYS AS IDENTITY", 'non-DEFAULT value into column "user_id"'),
        (
            "REPLICA IDENTITY NOTHING; DROP PUBLICATION IF EXISTS p; CREATE PUBLICATION p FOR TABLE user_page_views",
            "not have a replica identity",
        ),
        (
            "DROP CONSTRAINT user_page_views_pkey, ADD PRIMARY KEY (user_id, url) DEFERRABLE",
            "deferrable unique constraints",
        ),
    ],
)
def test_a_publish_that_fails_leaves_tables_and_ledger_as_they_were(
    publisher: Publisher, change: str, named: str, refresh: bool
) -> None:
    publisher.publish("one", A)
    publisher.execute(f"ALTER TABLE user_page_views {change}")
    before = publisher.execute("SELECT * FROM latest_user_updates")
    too_many = {"PageViews/c": view(3) + view(3, at="2020-01-01T00:00:00")}
    with pytest.raises(Exception, match=named):
        publisher.publish("two", A | B | too_many | {"UserUpdates/2": update(2, "b@example.com")}, refresh=refresh)
    assert publisher.rows() == [A_ROW]
    assert publisher.execute("SELECT * FROM latest_user_updates") == before
    assert summary_of(publisher, "two") is None


OBSTACLES = [
    ("ALTER TABLE {} RENAME TO base; CREATE VIEW {} AS TABLE base", "must be a table, not a view"),
    ("ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "row-level security hides rows"),
    ("CREATE TABLE child () INHERITS ({})", "child table .*child adds rows to it .*NO INHERIT"),
    ("CREATE RULE theirs AS ON DELETE TO {} DO INSTEAD NOTHING", "rule theirs changes statements .*DROP RULE"),
]
TABLES = ("user_page_views", "latest_user_updates", "pipeline_runs", "rejected_records")


@pytest.mark.parametrize(
    ("table", "change", "named"),
    [
        ("user_page_views", "DROP COLUMN email CASCADE", "email must be TEXT"),
        ("user_page_views", "ALTER COLUMN count TYPE integer", "count must be BIGINT, is INTEGER"),
        ("user_page_views", "ALTER COLUMN url TYPE varchar(99)", "url must be TEXT, is VARCHAR"),
        ("user_page_views", 'ALTER url TYPE text COLLATE "C"', "url must be TEXT, is TEXT COLLATE"),
        ("user_page_views", "ALTER COLUMN last_viewed TYPE date", "last_viewed must be TIMESTAMP"),
        ("user_page_views", "DROP CONSTRAINT user_page_views_pkey", "primary key must be"),
        ("latest_user_updates", "ALTER COLUMN instant TYPE date", "instant must be TIMESTAMP"),
        ("latest_user_updates", "ALTER COLUMN email TYPE information_schema.character_data", "email must be TEXT, is"),
        ("latest_user_updates", "DROP CONSTRAINT latest_user_updates_pkey", "primary key must be"),
        ("pipeline_runs", "DROP COLUMN summary", "summary must be JSONB"),
        ("pipeline_runs", "ALTER COLUMN listing TYPE text", "listing must be BIGINT, is TEXT"),
        ("rejected_records", "RENAME COLUMN line TO text", "line must be TEXT"),
        ("rejected_records", "DROP CONSTRAINT rejected_records_pkey", "primary key must be"),
        *[(table, *obstacle) for table in TABLES for obstacle in OBSTACLES],
    ],
)
def test_a_table_of_another_shape_is_refused_by_name_and_left_as_it_is(
    role_url: RoleUrl, tmp_path: Path, table: str, change: str, named: str
) -> None:
    with connected(role_url("row_security TO off", "NOSUPERUSER")) as engine:
        publisher = Publisher(engine, tmp_path)
        publisher.publish("one", A)
        statement = change if "{}" in change else f"ALTER TABLE {{}} {change}"
        publisher.execute(statement.format(table, table))
        queries = [f"SELECT * FROM {name} ORDER BY 1, 2" for name in TABLES if "FORCE" not in change or name != table]
        before = list(map(publisher.execute, queries))
        with pytest.raises(WarehouseError, match=rf"{publisher.schema}\.{table} .*{named}"):
            # As a run begins.
            Publisher(engine, tmp_path, publisher.tables).publish("two", A | B)
        assert before == list(map(publisher.execute, queries))
