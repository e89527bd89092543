"""Settings of a role that change what names or statements mean: the tables are the same under each."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from flows.errors import WarehouseError
from flows.warehouse.connect import connected
from flows.warehouse.ledger import find_run
from flows.warehouse.warehouse import open_warehouse
from tests.support.long import sampled
from tests.support.publisher import Publisher, RoleUrl
from tests.test_user_page_views import FIRST, SECOND, update, view
from tests.warehouse.test_loads import assert_table

FUNCTIONS = """
current_schema() name; set_config(text, text, boolean) text; concat(name, text, text) text; hashtext(text) integer
format(text, text, text) text; nextval(text) bigint; txid_current() bigint; never(text, text) boolean
"""
SETTINGS = """
search_path TO evil, pg_catalog, public; search_path TO ''; search_path TO evil; search_path TO pg_temp, evil
standard_conforming_strings TO off; backslash_quote TO off; transform_null_equals TO on; quote_all_identifiers TO on
DateStyle TO 'SQL, DMY'; IntervalStyle TO sql_standard; TimeZone TO 'Asia/Kathmandu'
array_nulls TO off; extra_float_digits TO -15; bytea_output TO escape; client_encoding TO latin1; work_mem TO 64
default_transaction_isolation TO serializable; default_transaction_isolation TO 'repeatable read'
default_transaction_deferrable TO on; row_security TO off; session_replication_role TO replica; track_counts TO off
lock_timeout TO 1; default_table_access_method TO heap2; temp_tablespaces TO ''
enable_hashjoin TO off; enable_indexscan TO off; debug_parallel_query TO on; plan_cache_mode TO force_generic_plan
"""
TEXTS = ["\\", "\\'", "''", "C:\\new", "\\N", '"', "é", "%s", ":a", "1/2/2017"]
THIRD = {
    "PageViews/3": "".join(view(4, text) for text in TEXTS) + "\\bad\n",
    "UserUpdates/3": "".join(update(5 + number, text.replace('"', '""')) for number, text in enumerate(TEXTS)),
}


def each(listed: str) -> list[str]:
    return [one.strip() for line in listed.strip().splitlines() for one in line.split(";")]


@pytest.fixture(scope="module")
def evil(postgres_url: str) -> None:
    """A schema that hides names of ours and of PostgreSQL's; and an access method."""
    with connected(postgres_url) as engine, engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA evil"))
        for signature, _, kind in (one.rpartition(" ") for one in each(FUNCTIONS)):
            body = f"LANGUAGE sql AS 'SELECT NULL::{kind}'"
            connection.execute(text(f"CREATE FUNCTION evil.{signature} RETURNS {kind} {body}"))
        for table in ("pg_class", "pg_attribute", "pg_trigger", "pg_inherits", "user_page_views", "pipeline_runs"):
            connection.execute(text(f"CREATE TABLE evil.{table} (nothing integer)"))
        connection.execute(text("CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never)"))
        connection.execute(text("CREATE TYPE evil.xid AS ENUM (); CREATE TYPE evil.text AS ENUM ()"))
        connection.execute(text("CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler"))


@pytest.mark.parametrize("setting", sampled(each(SETTINGS), 6))
def test_under_a_hostile_setting_everything_is_published_exactly(
    evil: None, role_url: RoleUrl, tmp_path: Path, setting: str
) -> None:
    logs: dict[str, str] = {}
    with connected(role_url(setting)) as engine:
        publisher = Publisher(engine, tmp_path)
        for id, more, written in (("first", FIRST, 3), ("second", SECOND, 3), ("third", THIRD, len(TEXTS))):
            logs |= more
            summary = publisher.publish(id, logs)
            assert summary["rows_written"] == written
            assert_table(publisher, logs)
            run = find_run(publisher.warehouse, "flow", id, "tests")
            assert run is not None
            assert run.summary == summary
        assert publisher.publish("third", logs, refresh=True)["rows_written"] == 0
        assert publisher.execute("SELECT line FROM rejected_records ORDER BY 1") == [("\\bad",), ("{bad",)]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_run_that_waits_for_another_sees_what_that_one_has_published(
    role_url: RoleUrl, publisher: Publisher, tmp_path: Path, level: str
) -> None:
    publisher.publish("zero", FIRST)
    publisher.attach("waits BEFORE INSERT ON pipeline_runs FOR EACH ROW", "PERFORM pg_advisory_xact_lock(4242);")
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    url = role_url(f"default_transaction_isolation TO '{level}'")
    with connected(url) as engine, publisher.engine.connect() as watching, ThreadPoolExecutor(2) as pool:
        late = Publisher(engine, tmp_path, publisher.tables)
        earlier, later = publisher.listing(), publisher.listing()
        with publisher.engine.begin() as holder:
            holder.execute(text("SELECT pg_advisory_xact_lock(4242)"))
            newer = pool.submit(publisher.publish, "newer", FIRST, later)
            while watching.scalar(waiting) != 1:
                pass
            older = pool.submit(late.publish, "older", FIRST | {"PageViews/old": view(9)}, earlier)
            while watching.scalar(waiting) != 2:
                pass
        assert (newer.result()["overtaken"], older.result()["overtaken"]) == (False, True)
    assert_table(publisher, FIRST)


@pytest.mark.parametrize("path", ["evil, public", "missing, evil", "evil, pg_catalog", '"$user", evil'])
def test_without_a_name_the_schema_is_the_connections_current_one(evil: None, role_url: RoleUrl, path: str) -> None:
    with connected(role_url(f"search_path TO {path}")) as engine:
        assert open_warehouse(engine, None, 600, print).tables.schema == "evil"


@pytest.mark.parametrize("path", ["''", "missing", "pg_catalog, public", "pg_temp, public"])
def test_a_search_path_that_begins_with_no_schema_for_tables_is_an_error(role_url: RoleUrl, path: str) -> None:
    error = pytest.raises(WarehouseError, match=r"no schema for tables .*register DATABASE_SCHEMA")
    with connected(role_url(f"search_path TO {path}")) as engine, error:
        open_warehouse(engine, None, 600, print)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("default_transaction_read_only TO on", "DATABASE_URL leads to a replica, or default_transaction_read_only"),
        ("statement_timeout TO '1s'", "ALTER ROLE … SET statement_timeout"),
    ],
)
def test_a_setting_that_does_not_allow_the_work_is_an_error_that_says_what_to_do(
    role_url: RoleUrl, publisher: Publisher, tmp_path: Path, setting: str, named: str
) -> None:
    publisher.publish("one", FIRST)
    publisher.attach("sleeps AFTER INSERT ON user_page_views", "PERFORM pg_sleep(60);")
    with connected(role_url(setting)) as engine, pytest.raises(WarehouseError, match=named):
        Publisher(engine, tmp_path, publisher.tables).publish("two", FIRST | SECOND)
    assert_table(publisher, FIRST)
