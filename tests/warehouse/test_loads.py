"""Which rows a run writes: an incremental load where it can, a full comparison where it must."""

from collections import Counter
from pathlib import Path

import pytest

from flows.warehouse.connect import connected
from tests.support.model import model
from tests.support.publisher import Logs, Publisher
from tests.test_user_page_views import FIRST, SECOND, bodies, update, view

AT = "2017-04-15T10:00:00"
Written = Counter[tuple[str, str]]

NOTE_WRITES = """
CREATE TABLE IF NOT EXISTS written (operation text, level text, key text);
CREATE FUNCTION {schema}.note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.written VALUES (
        lower(TG_OP), TG_LEVEL,
        CASE WHEN TG_LEVEL = 'ROW' THEN coalesce(NEW.user_id || NEW.url, OLD.user_id || OLD.url) END
    );
    RETURN NULL;
END $$;
CREATE TRIGGER each_row AFTER INSERT OR UPDATE OR DELETE ON user_page_views
    FOR EACH ROW EXECUTE FUNCTION {schema}.note_write();
CREATE TRIGGER each_statement AFTER DELETE ON user_page_views
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.note_write();
"""


def note_writes(publisher: Publisher) -> None:
    """From now on, PostgreSQL notes each row of user_page_views that is written."""
    publisher.execute(NOTE_WRITES.format(schema=f'"{publisher.schema}"'))


def written(publisher: Publisher) -> Written:
    """How often each row was written since the last call, by operation and key."""
    query = "SELECT operation, key FROM written WHERE level = 'ROW'"
    found = Counter((operation, key) for operation, key in publisher.execute(query))
    publisher.execute("DELETE FROM written")
    return found


def compared_all(publisher: Publisher) -> bool:
    """Whether all rows were compared since the last call of `written`: only then rows that are
    missing from the logs are deleted, by a statement that may find none."""
    return bool(publisher.execute("SELECT 1 FROM written WHERE level = 'STATEMENT'"))


def assert_table(publisher: Publisher, logs: Logs) -> None:
    """The table is what the model makes of the logs."""
    wanted = model(bodies(logs)).rows
    found = publisher.execute("SELECT user_id, url, email, count, last_viewed FROM user_page_views")
    assert {(user, url): values for user, url, *values in found} == {
        key: list(values) for key, values in wanted.items()
    }


def test_a_daily_run_writes_only_what_new_objects_change_and_each_row_once(publisher: Publisher) -> None:
    first = {
        "PageViews/1": "".join(view(user, url) for user in (1, 2, 3) for url in ("/a/", "/b/")),
        "UserUpdates/1": update(1, "old@example.com") + update(2, "two@example.com"),
    }
    second = {
        # Of user 1, one count and every email change; user 3 gets a page, which user 2 has already.
        "PageViews/2": view(1, at="2020-01-01T00:00:00") + view(2) + view(3, "/c/"),
        "UserUpdates/2": update(1, "new@example.com", "2018-01-01T00:00:00"),
    }
    publisher.publish("one", first)
    note_writes(publisher)
    summary = publisher.publish("two", first | second)
    assert not compared_all(publisher)
    assert written(publisher) == {("update", "1/a/"): 1, ("update", "1/b/"): 1, ("insert", "3/c/"): 1}
    assert (summary["rows"], summary["rows_written"]) == (7, 3)
    assert_table(publisher, first | second)
    assert publisher.publish("three", first | second)["rows_written"] == 0
    assert not compared_all(publisher)


def test_many_rows_with_every_sort_of_text_and_number_arrive_as_they_are(publisher: Publisher) -> None:
    texts = ["a@example.com", "é\u2028😀", "\\N", "quoted, and 'more'", "\t\x0b\r", "x" * 1_500]
    users = (*range(-20, 20), 2**63 - 1, -(2**63))
    halves = [
        {
            f"PageViews/{half}": "".join(
                view(user, f"/{texts[n % 6]}/{n}") for user in users for n in range(half, 100, 2)
            ),
            f"UserUpdates/{half}": "".join(update(user, texts[user % 6]) for user in users[half::2]),
        }
        for half in (0, 1)
    ]
    publisher.publish("one", halves[0])
    publisher.publish("two", halves[0] | halves[1])
    assert_table(publisher, halves[0] | halves[1])


def test_a_table_that_becomes_empty_is_published(publisher: Publisher) -> None:
    publisher.publish("one", FIRST)
    summary = publisher.publish("two", {"PageViews/0": view(None), "UserUpdates/0": ""})
    assert (summary["rows"], summary["rows_written"]) == (0, 3)
    assert publisher.rows() == []
    assert publisher.execute("SELECT * FROM latest_user_updates") == []
    assert publisher.execute("SELECT * FROM rejected_records") == []


CHANGES = [
    "UPDATE user_page_views SET count = count + 1 WHERE user_id = 1",
    "DELETE FROM user_page_views WHERE user_id = 1",
    "INSERT INTO user_page_views VALUES (9, NULL, '/', 1, now())",
    "TRUNCATE user_page_views",
    "CREATE TABLE copy AS TABLE user_page_views; DELETE FROM user_page_views; INSERT INTO user_page_views TABLE copy",
    "DROP TABLE user_page_views CASCADE",
    "ALTER TABLE user_page_views DROP COLUMN email; ALTER TABLE user_page_views ADD COLUMN email text",
    "ALTER TABLE user_page_views ADD COLUMN theirs double precision DEFAULT random()",
    "UPDATE latest_user_updates SET instant = now(), email = 'theirs'",
    "DELETE FROM latest_user_updates",
    "INSERT INTO latest_user_updates VALUES (77, now(), 'theirs', '')",
    "DROP TABLE latest_user_updates",
    "UPDATE rejected_records SET reason = 'theirs'",
    "DELETE FROM rejected_records",
    "INSERT INTO rejected_records VALUES ('PageViews/2.jsonl', 1, '', '')",
    # As after a restore: the same content, written by somebody else.
    "UPDATE pipeline_runs SET fingerprint = fingerprint",
]


@pytest.mark.parametrize("change", CHANGES)
def test_after_somebody_changed_a_table_the_next_run_compares_all_and_the_one_after_does_not(
    publisher: Publisher, change: str
) -> None:
    logs = FIRST | SECOND
    publisher.publish("one", logs)
    tables = [f"SELECT * FROM {name} ORDER BY 1, 2" for name in ("latest_user_updates", "rejected_records")]
    before = [publisher.execute(query) for query in tables]
    note_writes(publisher)
    publisher.execute(change)
    publisher.publish("two", logs)
    if "DROP TABLE user_page_views" not in change:  # with it, the triggers are gone
        assert compared_all(publisher)
    assert_table(publisher, logs)
    assert [publisher.execute(query) for query in tables] == before
    written(publisher)
    assert publisher.publish("three", logs | {"PageViews/3": view(5)})["rows_written"] == 1
    assert not compared_all(publisher)


@pytest.mark.parametrize(
    ("removed", "added", "refresh"),
    [
        ({"PageViews/2.jsonl"}, {}, False),
        (set(), {"UserUpdates/1.csv": update(1, "third@example.com")}, False),
        (set(), {}, True),
    ],
    ids=["an object is gone", "an object is changed", "a refresh"],
)
def test_all_is_compared_if(publisher: Publisher, removed: set[str], added: dict[str, str], refresh: bool) -> None:
    logs = FIRST | SECOND
    publisher.publish("one", logs)
    note_writes(publisher)
    logs = {key: body for key, body in (logs | added).items() if key not in removed}
    publisher.publish("two", logs, refresh=refresh)
    assert compared_all(publisher)
    assert_table(publisher, logs)


@pytest.mark.parametrize("emails", [("a", "B"), ("B", "a")])
def test_of_two_updates_of_one_instant_the_greater_by_code_point_wins_in_any_collation(
    english_url: str, tmp_path: Path, emails: tuple[str, str]
) -> None:
    first, second = emails
    logs = {"PageViews/1": view(1) + view(2), "UserUpdates/1": update(1, first) + update(2, "a")}
    later = {"UserUpdates/2": update(1, second) + update(2, "B")}
    with connected(english_url) as engine:
        publisher = Publisher(engine, tmp_path)
        assert publisher.execute("SELECT 'a' < 'B'") == [(True,)]
        publisher.publish("one", logs)
        note_writes(publisher)
        publisher.publish("two", logs | later)
        assert not compared_all(publisher)
        # By code point, capitals come first.
        assert publisher.rows() == [(1, "a", "/a/", 1), (2, "a", "/a/", 1)]
        assert publisher.publish("three", logs | later)["rows_written"] == 0
        assert publisher.publish("three", logs | later, refresh=True)["rows_written"] == 0


@pytest.mark.parametrize(
    ("updates", "email"),
    [
        ([("new@example.com", "2018-01-01T00:00:00"), ("old@example.com", "2017-01-01T00:00:00")], "new@example.com"),
        ([("old@example.com", "2017-01-01T00:00:00"), ("", "2018-01-01T00:00:00")], None),
        ([("", "2018-01-01T00:00:00"), ("old@example.com", "2017-01-01T00:00:00")], None),
        ([("", "2017-01-01T00:00:00"), ("new@example.com", "2018-01-01T00:00:00")], "new@example.com"),
        # Equal in all but the name.
        ([("a@example.com", AT), ("a@example.com", AT)], "a@example.com"),
    ],
)
def test_an_email_follows_the_latest_update_in_whatever_order_updates_arrive(
    publisher: Publisher, updates: list[tuple[str, str]], email: str | None
) -> None:
    logs = {"PageViews/1": view(1) + view(1, "/b/"), "UserUpdates/0": ""}
    publisher.publish("0", logs)
    note_writes(publisher)
    for number, (value, at) in enumerate(updates, 1):
        logs[f"UserUpdates/{number}"] = update(1, value, at).replace("A Name", f"{number}")
        logs[f"PageViews/{number + 1}"] = view(1, at=f"2020-01-0{number}T00:00:00")
        publisher.publish(str(number), logs)
        assert_table(publisher, logs)
    assert not compared_all(publisher)
    assert publisher.rows() == [(1, email, "/a/", 3), (1, email, "/b/", 1)]
