"""Secrets, and what the logs contain about people, appear nowhere that they must not.

Flows run with known secrets on logs with known content, and fail in every way that involves them.
Then every place is searched for each of them, in every form in which it could be written.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import duckdb
import pytest
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.events import emit_event

from blocks.environment import SLUG
from blocks.register import environment_of, save_environment
from blocks.settings import read_settings
from flows.errors import LogsError, SettingsError, StorageError, WarehouseError
from flows.hello_world import hello_world
from flows.user_page_views import user_page_views
from flows.warehouse.connect import CannotConnect
from tests.support.documents import Data, plant, read_document
from tests.support.leaks import Told, found, locals_of_error, parquet_texts, prefect_database, texts_of_error
from tests.support.programs import python
from tests.support.roles import role_with_password, with_password
from tests.support.s3_proxy import Refuse, refusing
from tests.support.world import Services, World
from tests.test_user_page_views import view

SECRETS = {
    "the database's password": "Kn0wn pass/word:of@the?database+100%",
    "the secret access key": "Kn0wnSecretKey/with+slash/and+plus/Zx81Qw",
    "the session token": "Kn0wnSessionToken//////wEaDGV1LWNlbnRyYWwtMSJHMEUCIQD=",
}
PASSWORD, SECRET_KEY, TOKEN = SECRETS.values()
PEOPLE = {
    "an email address": "known.email.of.a.user@example.com",
    "a user's name": "Known Givenname O'Surname",
    "a URL of a page view": "/known/private/page/?q=known-question",
    "an email address that was rejected": "known.rejected@example.com",
    "a rejected line": "this known line is no record at all",
    "a line of a damaged object": "/known/page/of/a/damaged/object/",
}
EMAIL, PERSON, URL, REJECTED_EMAIL, REJECTED, DAMAGED = PEOPLE.values()
GOOD_UPDATE = f'"2017-04-01T00:00:00","1","{EMAIL}","{PERSON}","production"\n'
BAD_UPDATE = f'"no time","1","{REJECTED_EMAIL}","{PERSON}","production"\n'
VIEWS = view(1, URL) + "".join(view(1, f"/{number}/") for number in range(40)) + REJECTED + "\n"
UPDATES = GOOD_UPDATE * 40 + BAD_UPDATE


@dataclass
class Runs:
    """Finished runs, and the places where they left data."""

    world: World
    errors: dict[str, BaseException] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    places: dict[str, bytes] = field(default_factory=dict)

    def run(self, case: str, environment: str, which: Any = user_page_views, **more: Any) -> None:
        """Run a flow under a name; store the error if it fails."""
        self.names.append(f"{self.world.name}-{case}")
        try:
            which.with_options(flow_run_name=self.names[-1])(id=more.pop("id", case), environment=environment, **more)
        except Exception as error:
            self.errors[case] = error

    def broken(self, case: str, change: Callable[[Data], object]) -> str:
        """Run the flow in an environment with its data changed; return the environment's name."""
        name = f"{self.world.name}-{len(self.names)}"
        plant(self.world.name, name, change)
        self.run(case, name)
        return name


CHILD = """
import sys, traceback
from flows.user_page_views import user_page_views
for id, environment in [argument.split("/") for argument in sys.argv[1:]]:
    try:
        print(user_page_views(id=id, environment=environment))
    except Exception:
        traceback.print_exc()
"""


def in_a_child(*runs: tuple[str, str]) -> str:
    """What a process prints that runs the flow, with Prefect's own debug log."""
    done = python("-c", CHILD, *map("/".join, runs), variables={"PREFECT_LOGGING_LEVEL": "DEBUG"})
    return done.stdout + done.stderr


def always(code: str) -> Refuse:
    return lambda method, path: code


def fail_in_each_way(runs: Runs) -> None:
    """Runs that fail while they handle secrets or the content of logs."""
    world = runs.world
    good_url = world.settings["DATABASE_URL"]
    # So that the broken environments may publish to its table too.
    world.execute("UPDATE pipeline_runs SET environment = NULL")

    def database(url: object) -> Callable[[Data], object]:
        return lambda data: data["database"].update(url=url)

    def prefix(name: str) -> Callable[[Data], object]:
        return lambda data: data["logs"].update(bucket_folder=name)

    def endpoint(url: str) -> Callable[[Data], object]:
        buckets = ("logs", "results")
        return lambda data: [data[b]["credentials"]["aws_client_parameters"].update(endpoint_url=url) for b in buckets]

    with role_with_password(world, "watched") as role:
        runs.broken("wrong-password", database(good_url.replace("//postgres:", f"//{role}:")))
    folder = world.services.postgres_url.rpartition("=")[2]
    runs.broken("unreachable-database", database(good_url.replace(folder, f"{folder}/nowhere")))

    for code in ("SignatureDoesNotMatch", "InvalidToken"):
        with refusing(world.services.s3_endpoint, always(code)) as url:
            runs.run(f"s3-{code}-hello", runs.broken(f"s3-{code}", endpoint(url)), hello_world)
    runs.broken("s3-unreachable", endpoint("http://127.0.0.1:1"))

    world.put("damaged/UserUpdates/1", UPDATES)
    world.put("damaged/PageViews/1.gz", gzip.compress((view(1, DAMAGED) * 900).encode())[:-9])
    runs.broken("damaged-object", prefix("damaged"))
    world.put("rejected/UserUpdates/1", BAD_UPDATE * 9)
    world.put("rejected/PageViews/1", f"{REJECTED}\n" * 9)
    runs.broken("too-many-rejects", prefix("rejected"))
    runs.broken("invalid-blocks", database({"url": good_url}))

    world.execute("DELETE FROM user_page_views")
    world.execute("ALTER TABLE user_page_views ADD CHECK (email IS NULL) NOT VALID")
    runs.run("violated-constraint", world.name)


KINDS = {
    "wrong-password": (WarehouseError, "refuses the user or password"),
    "unreachable-database": (CannotConnect, "does not answer"),
    "s3-SignatureDoesNotMatch": (StorageError, "refuses the secret access key"),
    "s3-SignatureDoesNotMatch-hello": (StorageError, "refuses the secret access key"),
    "s3-InvalidToken": (StorageError, "refuses the session token"),
    "s3-InvalidToken-hello": (StorageError, "refuses the session token"),
    "s3-unreachable": (StorageError, "EndpointConnectionError"),
    "damaged-object": (LogsError, "decompressed to its end"),
    "too-many-rejects": (LogsError, "were rejected"),
    "invalid-blocks": (SettingsError, "not valid (database)"),
    "violated-constraint": (WarehouseError, "violates check constraint"),
}


@pytest.fixture(scope="module")
def runs(services: Services, prefect_server: None, no_s3_waits: None, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All runs, and all places."""
    since = datetime.now(UTC).isoformat()
    world = World.new(services)
    world.settings["DATABASE_URL"] = with_password(services.postgres_url, PASSWORD)
    world.settings |= {"AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": TOKEN}
    save_environment(world.name, environment_of(read_settings(None, world.settings)))
    world.put("PageViews/1", VIEWS)
    world.put("UserUpdates/1", UPDATES)
    runs = Runs(world)
    for case in ("hello", "hello-again"):
        runs.run(case, world.name, hello_world, id="hello")
    runs.run("first", world.name)
    runs.run("first-again", world.name, id="first")
    runs.run("first-refreshed", world.name, id="first", refresh=True)
    fail_in_each_way(runs)
    runs.places = searched(world, runs.names, since, tmp_path_factory.mktemp("parquet"), [*runs.errors.values()])
    return runs


def searched(world: World, names: list[str], since: str, folder: Path, errors: list[BaseException]) -> dict[str, bytes]:
    """What the runs of these names have left in each place."""
    rows = world.execute("SELECT row_to_json(r)::text FROM pipeline_runs AS r")
    return {
        **Told(names, since).places(),
        "the Prefect server's database": prefect_database(),
        **in_storage(world, folder),
        "the ledger": "\n".join(row for (row,) in rows).encode(),
        "errors": "\n".join(map(texts_of_error, errors)).encode(),
    }


def in_storage(world: World, folder: Path) -> dict[str, bytes]:
    """Results storage: names, JSON documents, and Parquet as stored and decompressed."""
    stored = world.stored()
    parquet = {name: body for name, body in stored.items() if name.endswith(".parquet")}
    others = {name: body for name, body in stored.items() if name not in parquet}
    folders = {name.partition("/")[0] for name in others}
    assert {"records", "plans", "extracts", "catalogs", "results"} <= folders
    assert parquet
    return {
        "names of objects": "\n".join(stored).encode(),
        "records, plans and manifests": b"\n".join(others.values()),
        "Parquet as stored": b"\n".join(parquet.values()),
        "Parquet in plain": parquet_texts(folder, parquet),
    }


DATA = {"Parquet as stored", "Parquet in plain"}
PLACES = [
    *["flow runs", "task runs", "logs", "states", "artifacts", "events"],
    *["the Prefect server's database", "names of objects"],
    *["records, plans and manifests", *sorted(DATA), "the ledger", "errors"],
]


def test_every_run_ended_as_intended(runs: Runs) -> None:
    assert runs.errors.keys() == KINDS.keys()
    for case, (kind, words) in KINDS.items():
        assert type(runs.errors[case]) is kind, case
        assert words in str(runs.errors[case])
    assert sorted(runs.places) == sorted(PLACES)
    assert [place for place, content in runs.places.items() if not content] == []


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_found(runs: Runs, place: str) -> None:
    assert found(SECRETS, {place: runs.places[place]}) == []


@pytest.mark.parametrize("place", [place for place in PLACES if place not in DATA])
def test_personal_data_is_only_in_the_data_files(runs: Runs, place: str) -> None:
    assert found(PEOPLE, {place: runs.places[place]}) == []


def test_the_data_files_contain_what_they_must(runs: Runs) -> None:
    there = found(PEOPLE, {"data": runs.places["Parquet in plain"]})
    assert there == [f"{name} in data" for name in PEOPLE if name != "a line of a damaged object"]


@pytest.mark.parametrize("case", KINDS)
def test_no_error_refers_to_another_one_that_reveals_more(runs: Runs, case: str) -> None:
    error = runs.errors[case]
    assert case == "damaged-object" or error.__context__ is None
    assert found(SECRETS | PEOPLE, {case: texts_of_error(error).encode()}) == []


@pytest.mark.parametrize("case", KINDS)
def test_no_variable_in_a_traceback_contains_a_secret(runs: Runs, case: str) -> None:
    assert found(SECRETS, {case: locals_of_error(runs.errors[case]).encode()}) == []


@pytest.mark.long
def test_nothing_is_found_in_what_a_process_prints_with_debug_logs_and_tracebacks(runs: Runs) -> None:
    printed = in_a_child(("first", runs.world.name), ("in-a-child", runs.world.name))
    for words in ("first in ", "DEBUG", "Traceback", "violates check constraint"):
        assert words in printed
    assert found(SECRETS | PEOPLE, {"output": printed.encode()}) == []


# The search finds what is planted.

PLANTED = {"a secret": 'Pl4nted "secret"/with:all@of+it%&', "an address": "planted@example.com"}


@pytest.fixture(scope="module")
def planted(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The places again, after a run that leaks."""
    since, told, world = (datetime.now(UTC).isoformat(), str([*PLANTED.values()]), runs.world)

    @task
    def telling(what: str) -> None:
        get_run_logger().info(what)
        create_markdown_artifact(markdown=what, key="leak")
        emit_event("leak", resource={"prefect.resource.id": "leak"}, payload={"what": [what]})
        raise KeyError(what)

    @flow
    def leaking(what: str) -> None:
        telling.with_options(task_run_name=what)(what)

    name = f"{world.name}-leaking"
    with pytest.raises(KeyError) as error:
        leaking.with_options(flow_run_name=name)(told)
    record = json.dumps({"result": base64.b64encode(told.encode()).decode()}).encode()
    rows = tmp_path_factory.mktemp("planted")
    with duckdb.connect() as connection:
        lines = connection.sql("SELECT unnest(?::VARCHAR[]) AS line", params=[[told] * 9])
        lines.write_parquet(str(rows / "x.parquet"), compression="zstd")
    world.store(f"records/{PLANTED['an address']}{PLANTED['a secret']}", record)
    world.store("extracts/leak.parquet", (rows / "x.parquet").read_bytes())
    world.execute("UPDATE pipeline_runs SET fingerprint = %s", told)
    refusal = WarehouseError("No secret.")
    refusal.__context__ = error.value
    return {**searched(world, [name], since, rows, [refusal]), "variables": locals_of_error(error.value).encode()}


@pytest.mark.parametrize("place", [*PLACES, "variables"])
def test_the_search_finds_what_a_run_left_in_a_place(runs: Runs, planted: dict[str, bytes], place: str) -> None:
    there = found(PLANTED, {place: planted[place]})
    if place == "Parquet as stored":  # compressed: the other place shows it
        return
    assert there == [f"{name} in {place}" for name in PLANTED]
    assert found(PLANTED, {place: runs.places.get(place, b"")}) == []


@pytest.mark.parametrize("value", [*SECRETS.values(), *PEOPLE.values(), *PLANTED.values()])
def test_the_search_knows_each_form(value: str) -> None:
    written = [value, quote(value, safe=""), quote_plus(value), json.dumps({"a": value}), repr([value])]
    written += [html.escape(value), f"before{value}after".encode().hex()]
    for before in range(5):
        raw = f"{'b' * before}{value}after it".encode()
        written.append(base64.b64encode(raw).decode())
    for text in written:
        assert found({"it": value}, {"there": f"before {text} after".encode()}) == ["it in there"]
        assert found({"it": value}, {"there": f"before {text[:4]} after".encode()}) == []


# What the UI and the command line get.


def test_the_schema_of_the_environment_marks_each_secret_field(runs: Runs) -> None:
    document = read_document(SLUG, runs.world.name, include_secrets=False)
    assert document.block_schema is not None
    secrets = ("aws_secret_access_key", "aws_session_token")
    wanted = {f"{bucket}.credentials.{name}" for bucket in ("logs", "results") for name in secrets}
    assert {"database.url"} | wanted <= set(document.block_schema.fields["secret_fields"])


def test_no_secret_is_in_what_the_ui_and_the_command_line_get(runs: Runs) -> None:
    name, told = runs.world.name, {}
    names = [name + part for part in ("", "-credentials", "-database", "-logs", "-results")]
    with get_client(sync_client=True) as client:
        for block in client.read_block_documents(limit=200, include_secrets=False):
            if block.name in names:
                told[block.block_type_name or ""] = block.model_dump_json().encode()
    assert len(told) == 5
    inspected = python("-m", "prefect", "block", "inspect", f"{SLUG}/{name}")
    told["prefect block inspect"] = (inspected.stdout + inspected.stderr).encode()
    assert runs.world.settings["LOGS_BUCKET"] in inspected.stdout
    assert found(SECRETS, told) == []
