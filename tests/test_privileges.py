"""The rights that the README lists are enough, and none of them is too many.

The policy and the grants are taken out of the README's code blocks.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import ClientError
from sqlalchemy import make_url

from blocks.load import load_environment
from blocks.load import registered as registered_names
from flows.errors import StorageError, WarehouseError
from flows.hello_world import hello_world
from flows.summary import RunSummary
from flows.tasks.places import results_of
from flows.user_page_views import user_page_views
from tests.support.documents import Data, plant
from tests.support.iam import Policy, policy_in
from tests.support.model import model
from tests.support.s3_proxy import refusing
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, SECOND, fill

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
[SECTION] = re.findall(r"^## Least privilege\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
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
    """A database of its own, of whose rights PUBLIC has none."""

    world: World
    database: str

    def sql(self, statements: str) -> str:
        """The README's statements, for this database and roles of its own."""
        for name in ("loader", "reader"):
            statements = re.sub(rf"\b{name}\b", f"{name}_of_{self.database}", statements)
        return re.sub(r"\banalytics\b", self.database, statements)

    def administer(self, statements: str) -> None:
        """Run the README's statements as an administrator."""
        self.world.execute(self.sql(statements))

    def url(self, role: str) -> str:
        """The database's URL for a role of the README."""
        url = make_url(self.world.settings["DATABASE_URL"]).set(username=self.sql(role))
        return url.render_as_string(hide_password=False)

    def as_role(self, role: str) -> str:
        """The name of an environment whose database is used as this role."""
        name, url = f"{self.world.name}-{role}", self.url(role)
        if name not in registered_names():
            plant(self.world.name, name, lambda data: data["database"].update(url=url))
        return name

    def run(self, id: str, role: str = "loader", *, refresh: bool = False) -> RunSummary:
        """Run the flow as this role."""
        return user_page_views(id=id, environment=self.as_role(role), refresh=refresh)

    def refused(self, id: str, role: str = "loader") -> str:
        """The sentence in which a run ends."""
        with pytest.raises(WarehouseError) as error:
            self.run(id, role)
        return str(error.value)

    def ask(self, role: str, query: str) -> list[tuple[Any, ...]]:
        """One query as this role."""
        with closing(psycopg2.connect(self.url(role))) as connection:
            cursor = connection.cursor()
            cursor.execute(query)
            return cursor.fetchall()


@pytest.fixture(scope="module")
def registered(services: Services, prefect_server: None) -> World:
    world = World.new(services)
    world.register(DATABASE_SCHEMA="production")
    return world


@pytest.fixture
def guarded(services: Services, registered: World) -> Guarded:
    """A database where the administrator has run what the README says."""
    database = f"guarded_{next(_numbers)}"
    with closing(psycopg2.connect(services.postgres_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {database}")
    url = make_url(services.postgres_url).set(database=database)
    world = World.new(services)
    world.settings["DATABASE_URL"] = url.render_as_string(hide_password=False)
    world.settings["DATABASE_SCHEMA"] = "production"

    def change(data: Data) -> None:
        data["database"]["url"] = world.settings["DATABASE_URL"]
        data["logs"]["bucket_name"] = world.settings["LOGS_BUCKET"]
        data["results"]["bucket_name"] = world.settings["RESULTS_BUCKET"]

    plant(registered.name, world.name, change)
    guarded = Guarded(world, database)
    guarded.administer("REVOKE ALL ON DATABASE analytics FROM PUBLIC")
    guarded.administer("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    guarded.administer(OWNER)
    guarded.administer("CREATE ROLE reader LOGIN")
    return guarded


def test_a_role_with_the_grants_of_the_readme_runs_again_and_again(guarded: Guarded) -> None:
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
    query = f"SELECT {attributes} FROM pg_roles WHERE rolname = current_user"
    assert guarded.ask("loader", query) == [(False,) * 5]
    may = "has_database_privilege(current_database(), 'CREATE')"
    assert guarded.ask("loader", f"SELECT {may}") == [(False,)]


def without_each(guarded: Guarded, grants: list[Grant], role: str) -> Iterator[tuple[Grant, str]]:
    """Take away each of the rights in turn, and give the sentence in which a run ends then."""
    for number, (privilege, what) in enumerate(grants):
        guarded.administer(f"REVOKE {privilege} ON {what} FROM {role}")
        guarded.world.put("PageViews/new", FIRST["PageViews/1.jsonl"] * (number + 1))
        # All is compared then, which takes every right.
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
    """What the database says where this right is missing."""
    privilege, what = grant
    kind, _, name = guarded.sql(what).rpartition(" ")
    words = NAMED.get(privilege, "permission denied for table {name}")
    return words.format(name=name.rpartition(".")[2], kind=kind.lower())


def test_without_any_one_of_the_grants_a_run_ends_in_a_sentence_that_names_it(
    guarded: Guarded,
) -> None:
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


def test_a_reader_with_the_grants_of_the_readme_reads_the_table_and_nothing_else(
    guarded: Guarded,
) -> None:
    objects = fill(guarded.world, FIRST)
    guarded.run("first")
    *of_administrator, of_loader = READER.strip().splitlines()
    guarded.administer("".join(of_administrator))
    with closing(psycopg2.connect(guarded.url("loader"))) as connection, connection:
        connection.cursor().execute(guarded.sql(of_loader))
    guarded.world.put("PageViews/2", SECOND["PageViews/2.jsonl"])
    objects["PageViews/2"] = SECOND["PageViews/2.jsonl"].encode()
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
    """Tables that the loader's first run made, and a second loader that may make none."""
    objects = fill(guarded.world, FIRST)
    guarded.run("first")
    guarded.administer(re.sub(r"\bloader\b", "reader", TABLELESS))
    return objects


def test_a_loader_that_may_make_no_tables_works_in_those_that_are_there(guarded: Guarded) -> None:
    objects = tableless(guarded) | fill(guarded.world, SECOND)
    guarded.run("second", "reader")
    assert guarded.world.rows() == model(objects).rows
    guarded.world.delete("UserUpdates/2.csv")
    del objects["UserUpdates/2.csv"]
    guarded.run("second", "reader", refresh=True)
    assert guarded.world.rows() == model(objects).rows


@pytest.mark.long
def test_without_any_one_of_its_grants_that_loader_ends_in_a_sentence_that_names_it(
    guarded: Guarded,
) -> None:
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
    faults: Callable[[str, str], str | None] = lambda method, path: None


def policy_of(world: World, change: Callable[[str], str] = lambda text: text) -> Policy:
    """The README's policy, for the buckets of this world."""

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


def watched_world(
    registered: World, change: Callable[[str], str] = lambda text: text, folder: str = ""
) -> Iterator[Watched]:
    """A world whose blocks lead to the proxy."""
    world = World.new(registered.services)
    watched = Watched(world, policy_of(world, change))
    if folder:
        world.settings |= {"LOGS_PREFIX": f"{folder}/", "RESULTS_PREFIX": f"{folder}/"}

    def refuse(method: str, path: str) -> str | None:
        return watched.policy(method, path) or watched.faults(method, path)

    with refusing(world.services.s3_endpoint, refuse) as url:

        def lead(data: Data) -> None:
            data["database"]["schema_name"] = world.settings["DATABASE_SCHEMA"]
            for which in ("logs", "results"):
                data[which]["bucket_name"] = world.settings[f"{which.upper()}_BUCKET"]
                data[which]["bucket_folder"] = folder
                data[which]["credentials"]["aws_client_parameters"]["endpoint_url"] = url

        plant(registered.name, world.name, lead)
        yield watched


@pytest.fixture
def watched(registered: World) -> Iterator[Watched]:
    yield from watched_world(registered)


def run_all(world: World) -> None:
    """Both flows, again and with new logs, refreshed, and with a damaged extract and table."""
    assert hello_world(id="hello", environment=world.name) == "Hello World"
    assert hello_world(id="hello", environment=world.name) == "Hello World"
    objects = fill(world, FIRST)
    world.run("first")
    objects |= fill(world, SECOND)
    world.run("second")
    world.run("second")
    prefix = world.settings.get("RESULTS_PREFIX", "")
    world.empty("RESULTS", f"{prefix}summaries/")
    [damaged, *_] = [name for name in world.stored(f"{prefix}extracts/") if ".events." in name]
    world.services.s3.put_object(
        Bucket=world.settings["RESULTS_BUCKET"], Key=damaged, Body=b"damaged"
    )
    # So that all is counted again, and the damage is met.
    world.execute("DELETE FROM user_page_views")
    assert world.run("second", refresh=True).healed
    assert world.stored(damaged).get(damaged) != b"damaged"
    assert world.rows() == model(objects).rows


def test_both_flows_run_with_the_policy_of_the_readme_and_use_all_of_it(
    watched: Watched, tmp_path: Path
) -> None:
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
def test_the_policy_holds_narrowed_to_prefixes_too(registered: World) -> None:
    def narrowed(text: str) -> str:
        assert text.count('/*"') == 2
        return text.replace('/*"', '/of/a/team/*"')

    for watched in watched_world(registered, narrowed, "of/a/team"):
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


@pytest.mark.parametrize(
    ("which", "action"),
    [
        pytest.param(*one, marks=[pytest.mark.long] if "s3:DeleteObject" in one else [])
        for one in NEEDED
    ],
)
def test_without_any_one_of_the_actions_a_run_ends_in_a_sentence_that_names_it(
    watched: Watched, which: str, action: str
) -> None:
    world = watched.world
    bucket = world.settings[f"{which.upper()}_BUCKET"]
    watched.policy.drop(action, bucket)
    with pytest.raises(StorageError) as error:
        run_all(world)
    assert NEEDED[which, action] in str(error.value)
    assert f"the bucket {bucket!r} may not be used so by these credentials" in str(error.value)
    assert "README, 'Least privilege'" in str(error.value)
    assert {asked for asked, _ in watched.policy.refused} == {action} or action == "s3:ListBucket"
