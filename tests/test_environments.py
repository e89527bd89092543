"""Several environments in one database: each has a schema of its own, and none touches another's."""

import itertools
import re
from pathlib import Path

import pytest
from sqlalchemy import make_url

from deployments.query import query
from flows.errors import WarehouseError
from flows.warehouse.connect import connected
from tests.support.publisher import Publisher
from tests.support.s3_proxy import Answer, Forward, Request, intercepting
from tests.support.world import Services, World
from tests.test_user_page_views import fill, update, view

_numbers = itertools.count(1)
LOGS = {"PageViews/1": view(1), "UserUpdates/1": update(1, "a@example.com")}
REFUSAL = "environment '{}' cannot use the schema '.*': the environment '{}' has published to it"


@pytest.fixture
def schema(services: Services, prefect_server: None) -> str:
    """A new schema, and a role with its name."""
    name = f"shared_{next(_numbers)}"
    World.new(services).execute(f"CREATE SCHEMA {name}; CREATE ROLE {name} LOGIN SUPERUSER")
    return name


def team(services: Services, search_path: str, user: int, **changes: str) -> World:
    """An environment without DATABASE_SCHEMA, whose log has one page view; the test itself uses the first schema."""
    world = World.new(services)
    url = make_url(services.postgres_url).update_query_dict({"options": f"-csearch_path={search_path}"})
    settings = {"DATABASE_URL": url.render_as_string(hide_password=False), "DATABASE_SCHEMA": "", **changes}
    world.register(**settings)
    world.settings["DATABASE_SCHEMA"] = search_path.partition(",")[0]
    fill(world, LOGS | {"PageViews/1": view(user)})
    return world


def test_environments_that_only_the_search_path_separates_do_not_mix(services: Services, schema: str) -> None:
    a = team(services, schema, 1)
    a.execute(f"CREATE SCHEMA {schema}_b")
    b = team(services, f"{schema}_b,{schema}", 2)
    for id in ("d1", "d2"):
        assert [world.run(id).environment for world in (a, b)] == [a.name, b.name]
    for world, user in ((a, 1), (b, 2)):
        assert world.rows().keys() == {(user, "/a/")}
        assert world.execute("SELECT DISTINCT environment FROM pipeline_runs") == [(world.name,)]


def test_a_schema_that_another_environment_has_published_to_is_refused_until_it_is_handed_over(
    services: Services, schema: str
) -> None:
    a, b = team(services, schema, 1), team(services, schema, 2)
    first = a.run("d1")
    # As the previous version left it: the rows become those of the first environment that publishes.
    a.execute("ALTER TABLE pipeline_runs DROP COLUMN environment")
    assert a.run("d1") == first
    a.run("d2")
    assert a.execute("SELECT id, environment FROM pipeline_runs ORDER BY 1") == [("d1", a.name), ("d2", a.name)]
    tables = a.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", schema)
    queries = ["SELECT last_value FROM pipeline_listings", *(f"SELECT xmin::text, * FROM {name}" for (name,) in tables)]
    before = list(map(a.execute, queries))
    for id, refresh in (("d1", False), ("d1", True), ("d3", False)):
        with pytest.raises(WarehouseError, match=REFUSAL.format(b.name, a.name)) as error:
            b.run(id, refresh=refresh)
    assert list(map(a.execute, queries)) == before
    assert b.stored() == {}
    assert query("SELECT 1 FROM pipeline_runs", b.name)
    a.execute(re.findall("UPDATE .*", str(error.value))[0])
    assert b.run("d1") == first  # with its published ids
    b.run("d3")
    assert b.rows().keys() == {(2, "/a/")}
    with pytest.raises(WarehouseError, match=REFUSAL.format(a.name, b.name)):
        a.run("d1")


def test_of_two_environments_that_start_together_in_an_empty_schema_one_publishes(
    postgres_url: str, tmp_path: Path
) -> None:
    with connected(postgres_url) as engine:
        a = Publisher(engine, tmp_path, environment="team-a")
        b = Publisher(engine, tmp_path, a.tables, "team-b")
        listings = a.listing(), b.listing()
        a.publish("d1", LOGS, listings[0])
        for id in ("d1", "d2"):
            with pytest.raises(WarehouseError, match=REFUSAL.format("team-b", "team-a")):
                b.publish(id, LOGS | {"PageViews/2": view(2)}, listings[1])
        assert a.rows() == [(1, "a@example.com", "/a/", 1)]


def test_a_search_path_that_is_changed_during_a_run_does_not_move_it(services: Services, schema: str) -> None:
    def move(request: Request, forward: Forward) -> Answer:
        if next(requests) == 0:
            world.execute(f"ALTER ROLE {schema} SET search_path TO {schema}_later")
        return forward()

    requests = itertools.count()
    with intercepting(services.s3_endpoint, move) as s3:
        # At first, its schema is the one with the role's name.
        url = make_url(services.postgres_url).set(username=schema).render_as_string(hide_password=False)
        world = team(services, schema, 1, DATABASE_URL=url, S3_ENDPOINT_URL=s3)
        world.execute(f"CREATE SCHEMA {schema}_later")
        for id, used in (("one", schema), ("two", f"{schema}_later")):
            world.run(id)
            assert world.execute(f"SELECT user_id FROM {used}.user_page_views") == [(1,)]
            assert world.execute(f"SELECT id FROM {used}.pipeline_runs") == [(id,)]
