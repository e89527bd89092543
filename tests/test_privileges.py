"""The privileges that the documentation lists are sufficient, and each of them is necessary.

The policy and the grants are read from the documentation's code blocks.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr
from sqlalchemy import make_url

from blocks.load import load_environment
from flows.errors import StorageError, WarehouseError
from flows.hello_world import hello_world
from flows.summary import RunSummary
from flows.tasks.places import results_of
from flows.user_page_views import user_page_views
from tests.support.documents import save_quickly
from tests.support.iam import Policy, policy_in
from tests.support.long import sampled
from tests.support.model import model
from tests.support.s3_proxy import refusing
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, SECOND, fill

ROOT = Path(__file__).parents[1]
PAGES = [page.read_text(encoding="utf-8") for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
HEADING = re.compile(r"^## Least privilege\n(.*?)^## ", re.DOTALL | re.MULTILINE)
[SECTION] = HEADING.findall("".join(PAGES))
OWNER, READER, TABLELESS = re.findall(r"^```sql\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
Grant = tuple[str, str]
"""A privilege, and what it is on."""
_numbers = itertools.count(1)


def grants_in(statements: str) -> list[Grant]:
    """Every single privilege that the statements grant."""
    found = re.findall(r"^GRANT ([A-Z, ]+) ON (.+) TO \w+;$", statements, re.MULTILINE)
    assert len(found) == statements.count("GRANT")
    return [(privilege, what) for privileges, what in found for privilege in privileges.split(", ")]


OF_OWNER, OF_READER, OF_TABLELESS = map(grants_in, (OWNER, READER, TABLELESS))


# The database.


@dataclass
class Guarded:
    """A separate database, on which PUBLIC has no privileges."""

    world: World
    database: str

    def sql(self, statements: str) -> str:
        """The documentation's statements, for this database and separate roles."""
        for name in ("loader", "reader"):
            statements = re.sub(rf"\b{name}\b", f"{name}_of_{self.database}", statements)
        return re.sub(r"\banalytics\b", self.database, statements)

    def administer(self, statements: str) -> None:
        """Run the documentation's statements as an administrator."""
        self.world.execute(self.sql(statements))

    def url(self, role: str) -> str:
        """The database's URL for a role of the documentation."""
        url = make_url(self.world.settings["DATABASE_URL"]).set(username=self.sql(role))
        return url.render_as_string(hide_password=False)

    def run(self, id: str, role: str = "loader", *, refresh: bool = False) -> RunSummary:
        """Run the flow as this role."""
        environment = load_environment(self.world.name)
        environment.database.url = SecretStr(self.url(role))
        save_quickly(self.world.name, environment)
        return user_page_views(id=id, environment=self.world.name, refresh=refresh)

    def refused(self, id: str, role: str = "loader") -> str:
        """The message of the error that ends a run."""
        with pytest.raises(WarehouseError) as error:
            self.run(id, role)
        return str(error.value)

    def ask(self, role: str, query: str) -> list[tuple[Any, ...]]:
        """The rows of one query as this role."""
        with closing(psycopg2.connect(self.url(role))) as connection:
            cursor = connection.cursor()
            cursor.execute(query)
            return cursor.fetchall()


@pytest.fixture
def guarded(services: Services, prefect_server: None) -> Guarded:
    """A database where the administrator has run the documentation's statements."""
    database = f"guarded_{next(_numbers)}"
    with closing(psycopg2.connect(services.postgres_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {database}")
    url = make_url(services.postgres_url).set(database=database)
    world = World.new(services)
    world.register(DATABASE_URL=url.render_as_string(hide_password=False), DATABASE_SCHEMA="production")
    guarded = Guarded(world, database)
    for statements in (
        *("REVOKE ALL ON DATABASE analytics FROM PUBLIC", "REVOKE ALL ON SCHEMA public FROM PUBLIC"),
        *(OWNER, "CREATE ROLE reader LOGIN"),
    ):
        guarded.administer(statements)
    return guarded


def test_a_role_with_the_documented_grants_can_run_repeatedly(guarded: Guarded) -> None:
    objects = fill(guarded.world, FIRST)
    first = guarded.run("first")
    assert guarded.world.rows() == model(objects).rows
    objects |= fill(guarded.world, SECOND)
    guarded.run("second")
    assert guarded.world.rows() == model(objects).rows
    assert guarded.run("first") == first
    guarded.world.delete("UserUpdates/2.csv")
    del objects["UserUpdates/2.csv"]
    guarded.run("second", refresh=True)
    assert guarded.world.rows() == model(objects).rows
    assert guarded.world.execute("SELECT count(*) FROM rejected_records") == [(1,)]
    attributes = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    may = "has_database_privilege(current_database(), 'CREATE')"
    query = f"SELECT {attributes}, {may} FROM pg_roles WHERE rolname = current_user"
    assert guarded.ask("loader", query) == [(False,) * 6]


def without_each(guarded: Guarded, grants: list[Grant], role: str) -> Iterator[tuple[Grant, str]]:
    """Revoke each privilege in turn; yield it and the message of the run that fails without it."""
    for number, (privilege, what) in enumerate(grants):
        guarded.administer(f"REVOKE {privilege} ON {what} FROM {role}")
        guarded.world.put("PageViews/new", FIRST["PageViews/1.jsonl"] * (number + 1))
        # So that the run compares the whole table, which needs every privilege.
        guarded.administer("UPDATE production.user_page_views SET count = count + 1")
        yield (privilege, what), guarded.refused(f"without-{number}", role)
        guarded.administer(f"GRANT {privilege} ON {what} TO {role}")


NAMED = {
    "CONNECT": 'permission denied for database "{name}"',
    "TEMPORARY": 'permission denied to create temporary tables in database "{name}"',
    "USAGE": "permission denied for {kind} {name}",
    "CREATE": "permission denied for schema {name}",
}


def sentence_of(guarded: Guarded, grant: Grant) -> str:
    """What the database says if this privilege is missing."""
    privilege, what = grant
    kind, _, name = guarded.sql(what).rpartition(" ")
    words = NAMED.get(privilege, "permission denied for table {name}")
    return words.format(name=name.rpartition(".")[2], kind=kind.lower())


@pytest.mark.long
def test_without_one_of_the_grants_a_run_fails_and_names_what_is_missing(guarded: Guarded) -> None:
    fill(guarded.world, FIRST)
    guarded.administer("REVOKE CREATE ON SCHEMA production FROM loader")
    assert "permission denied for schema production" in guarded.refused("first")
    guarded.administer("GRANT CREATE ON SCHEMA production TO loader")
    guarded.run("first")
    objects = [grant for grant in OF_OWNER if grant[0] != "CREATE"]  # for the first run alone
    assert len(objects) == 3
    for grant, sentence in without_each(guarded, objects, "loader"):
        assert sentence_of(guarded, grant) in sentence
    guarded.run("last")


@pytest.mark.long
def test_a_reader_with_the_documented_grants_reads_the_table_and_nothing_else(guarded: Guarded) -> None:
    objects = fill(guarded.world, FIRST)
    guarded.run("first")
    *of_administrator, of_loader = READER.strip().splitlines()
    guarded.administer("".join(of_administrator))
    with closing(psycopg2.connect(guarded.url("loader"))) as connection, connection:
        connection.cursor().execute(guarded.sql(of_loader))
    objects |= fill(guarded.world, {"PageViews/2": SECOND["PageViews/2.jsonl"]})
    guarded.run("second")  # the grant survives a run
    count = "SELECT count(*) FROM production.user_page_views"
    assert guarded.ask("reader", count) == [(len(model(objects).rows),)]
    for statement in (
        "SELECT 1 FROM production.rejected_records",
        "SELECT 1 FROM production.pipeline_runs",
        "DELETE FROM production.user_page_views RETURNING 1",
        "SELECT nextval('production.pipeline_listings')",
        "CREATE TABLE production.mine (x int)",
        "CREATE TEMP TABLE mine (x int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            guarded.ask("reader", statement)
    for privilege, what in OF_READER:
        guarded.administer(f"REVOKE {privilege} ON {what} FROM reader")
        with pytest.raises(psycopg2.Error, match="permission denied"):
            guarded.ask("reader", count)
        guarded.administer(f"GRANT {privilege} ON {what} TO reader")
    assert guarded.ask("reader", count)


def tableless(guarded: Guarded) -> dict[str, bytes]:
    """Tables that the loader's first run created, and a second loader that may create none."""
    objects = fill(guarded.world, FIRST)
    guarded.run("first")
    guarded.administer(re.sub(r"\bloader\b", "reader", TABLELESS))
    return objects


@pytest.mark.long
def test_a_loader_that_may_not_create_tables_uses_the_existing_ones(guarded: Guarded) -> None:
    objects = tableless(guarded) | fill(guarded.world, SECOND)
    guarded.run("second", "reader")
    assert guarded.world.rows() == model(objects).rows
    guarded.world.delete("UserUpdates/2.csv")
    del objects["UserUpdates/2.csv"]
    guarded.run("second", "reader", refresh=True)
    assert guarded.world.rows() == model(objects).rows


@pytest.mark.long
def test_without_one_of_its_grants_that_loader_fails_and_names_what_is_missing(guarded: Guarded) -> None:
    tableless(guarded)
    ended = list(without_each(guarded, OF_TABLELESS, "reader"))
    assert len(ended) == len(OF_TABLELESS) > 10
    for grant, sentence in ended:
        assert sentence_of(guarded, grant) in sentence
    guarded.run("last", "reader")


# The buckets.


@dataclass
class Watched:
    """An environment that reaches S3 through a proxy with a policy."""

    world: World
    policy: Policy


def policy_of(world: World, change: Callable[[str], str]) -> Policy:
    """The documented policy, for the buckets of this world."""

    def has_key(bucket: str, key: str) -> bool:
        try:
            world.services.s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            return False
        return True

    text = change(policy_in(SECTION))
    for which in ("logs", "results"):
        text = text.replace(f"acme-{which}", world.settings[f"{which.upper()}_BUCKET"])
    return Policy(json.loads(text), has_key)


@contextmanager
def watched_world(
    services: Services, change: Callable[[str], str] = lambda text: text, folder: str = ""
) -> Iterator[Watched]:
    """A world whose blocks contain the proxy's URL."""
    world = World.new(services)
    policy = policy_of(world, change)
    with refusing(services.s3_endpoint, policy) as url:
        world.register(S3_ENDPOINT_URL=url, LOGS_PREFIX=folder, RESULTS_PREFIX=folder)
        yield Watched(world, policy)


@pytest.fixture
def watched(services: Services, prefect_server: None) -> Iterator[Watched]:
    with watched_world(services) as watched:
        yield watched


def run_all(world: World) -> None:
    """Both flows: rerun, with new logs, refreshed, with a damaged extract and a changed table."""
    for _ in range(2):
        assert hello_world(id="hello", environment=world.name) == "Hello World"
    objects = fill(world, FIRST)
    world.run("first")
    objects |= fill(world, SECOND)
    world.run("second")
    world.run("second")
    prefix = world.settings.get("RESULTS_PREFIX", "")
    [damaged, *_] = [name for name in world.stored(f"{prefix}extracts/") if ".events." in name]
    world.store(damaged, b"damaged")
    # So that everything is counted again and the damage is found.
    world.execute("DELETE FROM user_page_views")
    assert world.run("second", refresh=True).healed
    assert world.stored(damaged).get(damaged) != b"damaged"
    assert world.rows() == model(objects).rows


@pytest.mark.long
def test_both_flows_run_with_the_documented_policy_and_use_all_of_it(watched: Watched, tmp_path: Path) -> None:
    run_all(watched.world)
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(17 * 2**20)
    results_of(load_environment(watched.world.name)).upload(large, "large")
    assert watched.policy.refused == set()
    logs = watched.world.settings["LOGS_BUCKET"]
    on_logs = {action for action, resource in watched.policy.allowed if f":{logs}" in resource}
    assert on_logs == {"s3:ListBucket", "s3:GetObject"}
    unused = [
        (action, resource)
        for actions, resources in watched.policy.statements()
        for action in actions
        for resource in resources
        if not any(a == action and fnmatchcase(r, resource) for a, r in watched.policy.allowed)
    ]
    assert unused == []


@pytest.mark.long
def test_the_policy_can_be_narrowed_to_prefixes(services: Services, prefect_server: None) -> None:
    def narrowed(text: str) -> str:
        assert text.count('/*"') == 2
        return text.replace('/*"', '/of/a/team/*"')

    with watched_world(services, narrowed, "of/a/team/") as watched:
        run_all(watched.world)
        assert watched.policy.refused == set()


NEEDED = {
    ("logs", "s3:ListBucket"): "list the logs",
    ("logs", "s3:GetObject"): "read the log object",
    ("results", "s3:ListBucket"): "the results storage",
    ("results", "s3:GetObject"): "in the results storage",
    ("results", "s3:PutObject"): "to the results storage",
    ("results", "s3:DeleteObject"): "from the results storage",
}


@pytest.mark.parametrize(("which", "action"), sampled(NEEDED, 3))
def test_without_one_of_the_actions_a_run_fails_and_names_what_is_missing(
    watched: Watched, which: str, action: str
) -> None:
    world = watched.world
    bucket = world.settings[f"{which.upper()}_BUCKET"]
    watched.policy.drop(action, bucket)
    with pytest.raises(StorageError) as error:
        run_all(world)
    assert NEEDED[which, action] in str(error.value)
    assert f"the bucket {bucket!r} does not allow this with these credentials" in str(error.value)
    assert "'Least privilege'" in str(error.value)
    assert {asked for asked, _ in watched.policy.refused} == {action} or action == "s3:ListBucket"
