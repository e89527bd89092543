"""What others attach to, under or around the tables: it works exactly, or is refused before anything is written."""

from pathlib import Path

import pytest

from flows.warehouse.connect import connected
from tests.support.long import sampled
from tests.support.publisher import Publisher, RoleUrl
from tests.test_user_page_views import FIRST, SECOND, update, view
from tests.warehouse.test_loads import assert_table, compared_all, note_writes, written

LOGS = FIRST | {"UserUpdates/3": update(3, "three@example.com")}
MORE = LOGS | SECOND | {"PageViews/3": view(3, "/d/") + "{bad\n"}
SHOUT = "UPDATE {views} SET email = upper(email) WHERE email <> upper(email);"
BEFORE, CONSTRAINT = "theirs BEFORE INSERT OR UPDATE ON", "CONSTRAINT TRIGGER theirs AFTER INSERT OR UPDATE ON"
TRIGGERS = [
    (f"{BEFORE} user_page_views FOR EACH ROW", "NEW.email := upper(NEW.email); NEW.count := 7;"),
    (f"{BEFORE} user_page_views FOR EACH ROW", "IF NEW.url = '/c/' THEN RETURN NULL; END IF;"),
    (f"{BEFORE} latest_user_updates FOR EACH ROW", "NEW.email := upper(NEW.email);"),
    (f"{BEFORE} rejected_records FOR EACH ROW", "NEW.reason := 'theirs';"),
    ("theirs AFTER INSERT OR UPDATE ON user_page_views FOR EACH ROW", SHOUT),
    ("theirs AFTER INSERT ON rejected_records", SHOUT),
    ("theirs BEFORE UPDATE ON latest_user_updates", SHOUT),
    (f"{CONSTRAINT} user_page_views DEFERRABLE INITIALLY DEFERRED FOR EACH ROW", SHOUT),
    ("theirs AFTER INSERT OR UPDATE ON pipeline_runs FOR EACH ROW", SHOUT),
]


@pytest.mark.parametrize("refresh", [True, False], ids=["a refresh", "a new id"])
@pytest.mark.parametrize(("trigger", "body"), sampled(TRIGGERS, 4))
def test_rows_that_a_trigger_may_have_changed_are_compared_by_the_next_run(
    publisher: Publisher, trigger: str, body: str, refresh: bool
) -> None:
    publisher.publish("one", LOGS)
    table = trigger.partition(" ON ")[2].split()[0]
    publisher.attach(trigger, body.format(views=f'"{publisher.schema}".user_page_views'))
    publisher.publish("two", MORE)
    publisher.execute(f"DROP TRIGGER theirs ON {table}")
    publisher.publish("two" if refresh else "three", MORE, refresh=refresh)
    assert_table(publisher, MORE)
    assert publisher.execute("SELECT DISTINCT reason FROM rejected_records") == [("malformed",)]
    # From then on, incremental loads are exact again.
    note_writes(publisher)
    later = {"PageViews/4": view(1, "/d/"), "UserUpdates/4": update(3, "new@example.com", "2020-01-01T00:00:00")}
    publisher.publish("four", MORE | later)
    assert not compared_all(publisher)
    assert_table(publisher, MORE | later)


def test_emails_do_not_come_from_updates_that_a_trigger_has_changed(publisher: Publisher) -> None:
    publisher.publish("one", LOGS)
    publisher.attach(f"{BEFORE} latest_user_updates FOR EACH ROW", "NEW.email := upper(NEW.email);")
    for id, more in (("two", {}), ("three", {"UserUpdates/4": update(3, "new@example.com", "2020-01-01T00:00:00")})):
        publisher.publish(id, MORE | more)
        assert_table(publisher, MORE | more)


def test_a_trigger_that_only_takes_notes_hinders_no_incremental_load_and_finds_its_own_names(
    role_url: RoleUrl, publisher: Publisher, tmp_path: Path
) -> None:
    publisher.execute("CREATE SCHEMA theirs; CREATE TABLE theirs.notes (url text)")
    with connected(role_url("search_path TO theirs")) as engine:
        ours = Publisher(engine, tmp_path, publisher.tables)
        ours.publish("one", LOGS)
        ours.attach(
            "theirs AFTER INSERT OR UPDATE ON user_page_views FOR EACH ROW", "INSERT INTO notes VALUES (NEW.url);"
        )
        note_writes(publisher)
        ours.publish("two", LOGS | {"PageViews/2": view(1, "/new/")})
        ours.publish("three", LOGS | {"PageViews/2": view(1, "/new/"), "PageViews/3": view(5, "/e/")})
        assert not compared_all(publisher)
        assert written(publisher) == {("insert", "1/new/"): 1, ("insert", "5/e/"): 1}
    assert publisher.execute("SELECT * FROM theirs.notes") == [("/new/",), ("/e/",)]


WORKS = [
    "ALTER TABLE user_page_views RENAME TO old; CREATE TABLE user_page_views (LIKE old INCLUDING ALL) PARTITION BY "
    "HASH (user_id); CREATE TABLE p0 PARTITION OF user_page_views FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
    "CREATE TABLE p1 PARTITION OF user_page_views FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "ALTER TABLE user_page_views SET UNLOGGED, ALTER email SET DEFAULT 'theirs', ALTER count SET DEFAULT 7",
    "ALTER TABLE user_page_views ADD shout text GENERATED ALWAYS AS (upper(email)) STORED, REPLICA IDENTITY FULL",
    "CREATE TABLE parent (LIKE user_page_views); ALTER TABLE user_page_views INHERIT parent",
    "CREATE RULE r AS ON DELETE TO user_page_views DO NOTHING; ALTER TABLE user_page_views DISABLE RULE r",
    "ALTER TABLE user_page_views ENABLE ROW LEVEL SECURITY",  # the owner sees all
]


@pytest.mark.parametrize("change", sampled(WORKS, 3))
def test_tables_with_these_changes_are_loaded_exactly(publisher: Publisher, change: str) -> None:
    publisher.publish("one", LOGS)
    publisher.execute(change)
    for id, logs in (("two", MORE), ("three", MORE | {"PageViews/4": view(1, "/d/") + view(3)}), ("four", LOGS)):
        publisher.publish(id, logs)
        assert_table(publisher, logs)
        assert publisher.publish(id, logs, refresh=True)["rows_written"] == 0
