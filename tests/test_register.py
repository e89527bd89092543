"""`python -m blocks.register` and the blocks that it saves: contract, section 7."""

from __future__ import annotations

import copy
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockSchemaCreate, BlockTypeUpdate
from prefect.filesystems import LocalFileSystem
from pydantic import HttpUrl, SecretStr, TypeAdapter

from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.environment import SLUG, Environment, LogsBucket, ResultsBucket, prefix_of, s3_client
from blocks.load import load_environment, registered
from blocks.register import environment_of, main, save_environment
from blocks.settings import EnvironmentSettings, read_settings
from flows.errors import SettingsError
from flows.tasks import check
from flows.tasks.check import answers
from tests.support.documents import Data, create_document, create_documents, read_document
from tests.support.long import sampled
from tests.support.programs import ROOT, python
from tests.support.roles import role_with_password, with_password
from tests.support.s3_proxy import refusing
from tests.support.world import Services, World

SECRETS = ("secret-key-of-the-file", "session-token-of-the-file", "database-password-of-the-file")
SECRET_KEY, TOKEN, PASSWORD = SECRETS
FILE = f"""\
# A comment.
AWS_ACCESS_KEY_ID=AKIDFILE
AWS_SECRET_ACCESS_KEY="{SECRET_KEY}"
AWS_SESSION_TOKEN={TOKEN}
AWS_REGION=eu-west-3
S3_ENDPOINT_URL=SILENT
export LOGS_BUCKET=logs-of-the-file
LOGS_PREFIX=raw/
RESULTS_BUCKET=results-of-the-file
RESULTS_PREFIX=
DATABASE_URL=postgresql://someone:{PASSWORD}@127.0.0.1:1/pages?sslmode=require
DATABASE_SCHEMA='Mixed Case'
MAX_REJECTED_RATIO=0.25
MAX_EXPANSION_RATIO=2000
DUCKDB_MEMORY_LIMIT=1.5GiB
DUCKDB_THREADS=3
DUCKDB_SPILL_FOLDER=/var/spill
NOTIFY_EMAIL=data@example.com
"""
NAMES = (
    *["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"],
    *["S3_ENDPOINT_URL", "LOGS_BUCKET", "LOGS_PREFIX", "RESULTS_BUCKET", "RESULTS_PREFIX"],
    *["DATABASE_URL", "DATABASE_SCHEMA", "LOG_ENVIRONMENT"],
    *["MAX_REJECTED_RATIO", "MAX_EXPANSION_RATIO"],
    *["DUCKDB_MEMORY_LIMIT", "DUCKDB_THREADS", "DUCKDB_SPILL_FOLDER"],
    *["NOTIFY_EMAIL", "NOTIFY_FROM"],
)
GOOD = {
    "LOGS_BUCKET": "logs",
    "RESULTS_BUCKET": "results",
    "DATABASE_URL": f"postgresql://someone:{PASSWORD}@db.example.com/pages",
}
NAME = "of-a-file"
BLOCKS: list[type[Block]] = [AwsSessionCredentials, LogsBucket, ResultsBucket, Database, Environment]
PARTS: dict[type[Block], str] = {
    AwsSessionCredentials: "credentials",
    LogsBucket: "logs",
    ResultsBucket: "results",
    Database: "database",
}
DEFAULTS = {
    **{"log_environment": "production", "max_rejected_ratio": 0.05, "max_expansion_ratio": 500},
    **{"memory_limit": "1GB", "threads": None, "spill_folder": None},
    **{"notify_email": None, "notify_from": None},
}
Done = subprocess.CompletedProcess[str]


def register(name: str, *arguments: str, **settings: str) -> Done:
    """Run the command as a user does, with only these settings."""
    return python("-m", "blocks.register", name, *arguments, variables=settings, without=NAMES, check=False)


def documents() -> dict[tuple[str, str], Data]:
    """Every block document on the server, with its secrets, by type and name."""
    with get_client(sync_client=True) as client:
        found = client.read_block_documents(include_secrets=True, limit=200)
    return {(one.block_type_name or "", one.name or ""): one.data for one in found}


def own_settings(environment: Environment) -> dict[str, object]:
    """The environment's settings, without the blocks that it nests."""
    return {name: getattr(environment, name) for name in DEFAULTS}


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def saved(name: str, **settings: str) -> Environment:
    """Save an environment with these settings, and load it."""
    save_environment(name, environment_of(read_settings(None, GOOD | settings)))
    return load_environment(name)


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """A port where connections are accepted and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def done(prefect_server: None, silent: int, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The command, run with a file and with other values in environment variables; the S3 endpoint never answers."""
    file = tmp_path_factory.mktemp("register") / "staging.env"
    file.write_text(FILE.replace("SILENT", f"http://127.0.0.1:{silent}"))
    variables = {"LOGS_BUCKET": "logs-of-the-process", "RESULTS_PREFIX": "team"}
    variables |= {"LOG_ENVIRONMENT": "staging", "NOTIFY_FROM": "pipeline@example.com"}
    return register(NAME, "--env-file", str(file), **variables)


# What is tried.


def test_the_command_shows_each_step_and_what_each_part_answers(services: Services, prefect_server: None) -> None:
    world = World.new(services)
    world.put("PageViews/1.jsonl", "")
    done = register("answering", **world.settings)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["Importing Prefect", lines[1]]
    assert lines[1].startswith("Connecting to Prefect")
    parts = ("answering-credentials", "answering-database", "answering-logs", "answering-results", "answering")
    assert lines[2:7] == [f"Saving {part}" for part in parts]
    logs, results, schema = (world.settings[name] for name in ("LOGS_BUCKET", "RESULTS_BUCKET", "DATABASE_SCHEMA"))
    assert lines[8:11] == [
        f"  The logs bucket {logs!r} answers: its first key is 'PageViews/1.jsonl'.",
        f"  The results bucket {results!r} answers: it is empty.",
        f"  The database 'postgres' answers: 'postgres' publishes into its schema {schema!r}.",
    ]
    assert lines[11].startswith("Saved the environment 'answering'")
    assert "environment='answering'" in lines[12]
    assert max(map(len, lines[:8])) <= 120


def test_a_part_that_does_not_answer_ends_the_command_with_an_error_after_all_is_saved(done: Done) -> None:
    assert done.returncode == 1
    assert f"Saving {NAME}-results" in done.stdout
    sentences = done.stderr.splitlines()
    assert [one.strip().partition(" within")[0] for one in sentences[:2]] == [
        "The logs bucket did not answer",
        "The results bucket did not answer",
    ]
    assert "The database 127.0.0.1:1/pages does not answer" in sentences[2]
    assert sentences[3].startswith(f"Saved the environment {NAME!r}, but")
    assert secrets_in(done.stdout + done.stderr) == []
    assert NAME in registered()
    assert registered() == sorted(registered())


@pytest.mark.parametrize(
    ("change", "refused", "sentence"),
    [
        ({"LOGS_BUCKET": "missing"}, [0], "'missing' does not exist"),
        ({"RESULTS_BUCKET": "missing"}, [1], "'missing' does not exist"),
        ({"S3_ENDPOINT_URL": "http://127.0.0.1:1"}, [0, 1], "EndpointConnectionError"),
        ({"S3_ENDPOINT_URL": "InvalidAccessKeyId"}, [0, 1], "refuses the access key id"),
        ({"S3_ENDPOINT_URL": "AccessDenied"}, [0, 1], "does not allow this"),
        ({"S3_ENDPOINT_URL": "silent"}, [0, 1], "bucket did not answer within 1 seconds"),
        ({"DATABASE_URL": "silent"}, [2], "The database did not answer within 1 seconds"),
        ({"DATABASE_URL": "role"}, [2], "refuses the user or password"),
        ({"DATABASE_URL": "postgresql://someone@127.0.0.1:1/pages", "DATABASE_SCHEMA": ""}, [2], "does not answer"),
    ],
)
def test_each_refusal_is_a_sentence_and_the_other_parts_are_tried_too(
    services: Services,
    silent: int,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    refused: list[int],
    sentence: str,
) -> None:
    world = World.new(services)
    world.put("raw/PageViews/1.jsonl", "")
    settings = world.settings | {"LOGS_PREFIX": "raw"} | change
    with ExitStack() as stack:
        endpoint = settings["S3_ENDPOINT_URL"]
        if "silent" in change.values():
            monkeypatch.setattr(check, "SECONDS", 1)
        else:  # a slow machine may need more than the ten seconds
            monkeypatch.setattr(check, "SECONDS", 100)
        if settings["DATABASE_URL"] == "silent":
            settings["DATABASE_URL"] = f"postgresql://someone@127.0.0.1:{silent}/pages"
        elif settings["DATABASE_URL"] == "role":
            role = stack.enter_context(role_with_password(world, "asked"))
            settings["DATABASE_URL"] = with_password(services.postgres_url, PASSWORD).replace(
                "//postgres:", f"//{role}:"
            )
        if endpoint == "silent":
            settings["S3_ENDPOINT_URL"] = f"http://127.0.0.1:{silent}"
        elif not endpoint.startswith("http"):
            settings["S3_ENDPOINT_URL"] = stack.enter_context(refusing(services.s3_endpoint, lambda *_: endpoint))
        found = list(answers(environment_of(read_settings(None, settings))))
    bad = [number for number, (good, _) in enumerate(found) if not good]
    # On a slow machine, the others may need more than a second, too.
    assert bad == refused or ("silent" in change.values() and set(refused) <= set(bad))
    assert all(sentence in found[number][1] for number in refused)
    assert all(said.endswith(".") and PASSWORD not in said for _, said in found)
    if 0 not in bad:
        assert found[0][1].endswith("its first key is 'raw/PageViews/1.jsonl'.")


# What is saved.


def test_the_loaded_environment_has_every_value_and_the_file_overrides_the_process(done: Done, silent: int) -> None:
    environment = load_environment(NAME)
    assert own_settings(environment) == {
        **{"log_environment": "staging", "max_rejected_ratio": 0.25, "max_expansion_ratio": 2000},
        **{"memory_limit": "1.5GiB", "threads": 3, "spill_folder": "/var/spill"},
        **{"notify_email": "data@example.com", "notify_from": "pipeline@example.com"},
    }
    logs, results, database = environment.logs, environment.results, environment.database
    assert (type(logs), type(results), type(database)) == (LogsBucket, ResultsBucket, Database)
    assert (logs.bucket_name, prefix_of(logs)) == ("logs-of-the-file", "raw/")
    assert isinstance(results, ResultsBucket)
    assert (results.bucket_name, prefix_of(results)) == ("results-of-the-file", "team/")
    url = f"postgresql://someone:{PASSWORD}@127.0.0.1:1/pages?sslmode=require"
    assert (database.schema_name, database.url.get_secret_value()) == ("Mixed Case", url)
    for bucket in (logs, results):
        credentials: Any = bucket.credentials
        assert type(credentials) is AwsSessionCredentials
        assert credentials.aws_access_key_id == "AKIDFILE"
        assert credentials.aws_secret_access_key == SecretStr(SECRET_KEY)
        assert credentials.aws_session_token == SecretStr(TOKEN)
        assert credentials.region_name == "eu-west-3"
        assert credentials.aws_client_parameters.endpoint_url == f"http://127.0.0.1:{silent}"


def test_a_session_token_reaches_the_s3_client(done: Done, silent: int) -> None:
    environment = load_environment(NAME)
    credentials: Any = environment.logs.credentials
    found = credentials.get_boto3_session().get_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("AKIDFILE", SECRET_KEY, TOKEN)
    client = s3_client(environment.logs)
    assert (client.meta.endpoint_url, client.meta.region_name) == (f"http://127.0.0.1:{silent}", "eu-west-3")
    assert TOKEN in client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})


ANOTHER_PROCESS = f"""
from blocks.load import load_environment
e = load_environment({NAME!r})
c = e.logs.credentials
print(type(c).__name__, type(e.results).__name__, type(c.aws_session_token).__name__)
print(e)
print(c.get_boto3_session().get_credentials().token is not None)
"""


@pytest.mark.long
def test_another_process_loads_the_same_environment(done: Done) -> None:
    loaded = python("-W", "error::UserWarning", "-c", ANOTHER_PROCESS, without=NAMES)
    lines = loaded.stdout.splitlines()
    assert lines[0] == "AwsSessionCredentials ResultsBucket SecretStr"
    assert lines[-1] == "True"
    assert secrets_in(loaded.stdout + loaded.stderr) == []


def test_the_api_and_the_text_of_a_block_show_secrets_only_if_asked_for_them(done: Done) -> None:
    for block in BLOCKS:
        slug = block.get_block_type_slug()
        name = f"{NAME}-{PARTS[block]}" if block in PARTS else NAME
        assert secrets_in(read_document(slug, name, include_secrets=True).model_dump_json())
        assert not secrets_in(read_document(slug, name, include_secrets=False).model_dump_json())
    environment = load_environment(NAME)
    assert secrets_in(f"{environment} {environment!r} {environment.model_dump_json()}") == []


def test_registering_again_updates_what_changed_in_nested_blocks_too(prefect_server: None) -> None:
    environment = saved("repeated")
    first = documents()
    names = {(str(block._block_type_name), f"repeated-{part}") for block, part in PARTS.items()}
    assert {key for key in first if "repeated" in key[1]} == names | {("User Page Views Environment", "repeated")}
    credentials: Any = environment.logs.credentials
    assert credentials.aws_access_key_id is None  # the machine's own identity
    assert environment.database.schema_name is None
    assert own_settings(environment) == DEFAULTS
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "two"}
    changed = {"LOGS_BUCKET": "other-logs", "DATABASE_URL": "postgresql://h/others", "MAX_REJECTED_RATIO": "0.5"}
    environment = saved("repeated", **keys, **changed)
    assert documents().keys() == first.keys()
    assert isinstance(environment.results, ResultsBucket)
    assert (environment.logs.bucket_name, environment.results.bucket_name) == ("other-logs", "results")
    assert environment.max_rejected_ratio == 0.5
    assert environment.database.url.get_secret_value().endswith("/others")
    for bucket in (environment.logs, environment.results):
        credentials = bucket.credentials
        assert credentials.aws_access_key_id == "AKID"
        assert credentials.aws_secret_access_key == SecretStr("two")


@pytest.mark.long
def test_environments_whose_names_begin_with_the_same_words_share_no_block(prefect_server: None) -> None:
    names = ["mine", "mine-credentials", "mine-database", "mine-logs"]
    for name in [*names, "mine-database", "mine"]:
        saved(name, LOGS_BUCKET=f"of-{name}", DATABASE_URL=f"postgresql://h/{name}", AWS_REGION=name)
    for name in names:
        environment = load_environment(name)
        assert environment.logs.bucket_name == f"of-{name}"
        assert environment.database.url.get_secret_value() == f"postgresql://h/{name}"
        assert environment.logs.credentials.region_name == name


# What is refused.


def test_the_command_lists_all_missing_and_malformed_names_without_values_and_saves_nothing(
    prefect_server: None, tmp_path: Path
) -> None:
    before = documents()
    file, url = tmp_path / "f", f"mysql://someone:{PASSWORD}@h/pages"
    file.write_text(f"DATABASE_URL={url}\nS3_ENDPOINT_URL=no-url\nAWS_SESSION_TOKEN={TOKEN}\n")
    done = register("wrong", "--env-file", str(file), LOGS_BUCKET="", MAX_REJECTED_RATIO="many")
    assert (done.returncode, done.stdout) == (1, "")
    missing = "LOGS_BUCKET, RESULTS_BUCKET, AWS_ACCESS_KEY_ID"
    assert f"Nothing was saved. Missing: {missing}" in done.stderr
    malformed = done.stderr.partition("Malformed: ")[2]
    for name in ("DATABASE_URL", "S3_ENDPOINT_URL", "MAX_REJECTED_RATIO"):
        assert f"{name}: " in malformed
    for value in (*SECRETS, url, "no-url", "many", "Traceback"):
        assert value not in done.stderr
    assert "--help" in done.stderr
    assert documents() == before


MALFORMED = {
    "DATABASE_URL": [
        *(f"{scheme}://someone:{PASSWORD}@h/pages" for scheme in ("mysql", "postgresql+asyncpg")),
        *(f"postgresql://someone:{PASSWORD}@h{rest}" for rest in (":port/pages", "")),
        *(f"someone:{PASSWORD}", PASSWORD),
    ],
    "DATABASE_SCHEMA": ["pg_temp", "x" * 64],
    "LOGS_BUCKET": ["s3://bucket", "a b"],
    "RESULTS_BUCKET": ["x", "bucket/folder"],
    "S3_ENDPOINT_URL": [*["localhost:9000", f"https://someone:{PASSWORD}@s3.example.com", "https:///path"]],
    "MAX_REJECTED_RATIO": ["1.01", "-0.1", "nan", "5%"],
    "MAX_EXPANSION_RATIO": ["0", "1.5", "1000:1", "inf"],
    "DUCKDB_MEMORY_LIMIT": ["1", "0GB", "80%", "many GB"],
    "DUCKDB_THREADS": ["0", "two"],
    "NOTIFY_EMAIL": ["nobody"],
    "NOTIFY_FROM": ["a b@example.com"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in MALFORMED.items() for value in values])
def test_a_malformed_value_is_named_and_never_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(None, {**GOOD, "NOTIFY_FROM": "a@example.com", name: value})
    assert f"Malformed: {name}: " in str(error.value)
    assert "Missing" not in str(error.value)
    assert PASSWORD not in f"{error.value!r} {error.value.__cause__} {error.value.__context__}"
    if len(value) > 3:
        assert value not in str(error.value)


KEYS = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("", "LOGS_BUCKET, RESULTS_BUCKET, DATABASE_URL"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY (needed by AWS_ACCESS_KEY_ID)"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID (needed by AWS_SECRET_ACCESS_KEY)"),
        ("AWS_SESSION_TOKEN", ", ".join(f"AWS_{key} (needed by AWS_SESSION_TOKEN)" for key in KEYS)),
        ("NOTIFY_EMAIL", "NOTIFY_FROM (needed by NOTIFY_EMAIL)"),
    ],
)
def test_every_missing_name_is_listed_also_if_only_others_need_it(given: str, missing: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(None, {**GOOD, given: f"{TOKEN}@example.com"} if given else {})
    assert str(error.value) == f"Missing: {missing}. See python -m blocks.register --help."


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no file .*nowhere.env.*--env-file"):
        read_settings(tmp_path / "nowhere.env", GOOD)


def test_an_empty_value_counts_as_missing_and_others_are_taken_literally(tmp_path: Path) -> None:
    file, url = tmp_path / "f", "postgresql://someone:${HOME}$x%40@h/pages"
    file.write_text(f"LOGS_BUCKET=of-the-file\nRESULTS_BUCKET=\nLOGS_PREFIX\nAWS_REGION=''\nDATABASE_URL={url}\n")
    process = {**GOOD, "LOGS_PREFIX": "of-the-process", "LOG_ENVIRONMENT": "", "AWS_REGION": ""}
    settings = read_settings(file, process)
    assert (settings.logs_bucket, settings.results_bucket) == ("of-the-file", "results")
    assert (settings.logs_prefix, settings.log_environment) == ("of-the-process", "production")
    assert settings.aws_region is None
    assert settings.database_url.get_secret_value() == url


@pytest.mark.parametrize("name", ["local", "", "Staging", "1st", "-a", "a_b", "a b", "a/b", "a" * 32, "a\n", "\u00e9"])
def test_invalid_names_and_local_are_refused(
    prefect_server: None, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = documents()
    file = tmp_path / "f"
    file.write_text(FILE)
    with pytest.raises(typer.Exit) as ended:
        main(name, file)
    assert ended.value.exit_code == 1
    error = capsys.readouterr().err
    assert "Nothing was saved" in error
    assert repr(name) in error
    assert documents() == before


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_help_names_every_setting_of_the_contract_and_fits_the_terminal(columns: int) -> None:
    done = register("--help", COLUMNS=str(columns), TERMINAL_WIDTH=str(columns))
    assert done.returncode == 0
    assert [name for name in NAMES if f"    {name} " not in done.stdout] == []
    assert {name.upper() for name in EnvironmentSettings.model_fields} == set(NAMES)
    assert max(map(len, done.stdout.splitlines())) < min(columns, 80)
    # Each setting's meaning is a column of its own.
    settings = done.stdout.partition("process:")[2].partition("If a setting")[0].splitlines()
    assert [line for line in settings if line.strip() and re.match(r"    [A-Z_0-9 ]{22} \S", line) is None] == []


# Block types.


@pytest.mark.parametrize("module", sampled(["environment", "database", "credentials"], 3))
def test_prefect_registers_our_block_types_by_module(prefect_server: None, module: str) -> None:
    done = python("-m", "prefect", "block", "register", "-m", f"blocks.{module}")
    with get_client(sync_client=True) as client:
        types = {one.slug: one for one in client.read_block_types()}
    ours = [block for block in BLOCKS if block.__module__ == f"blocks.{module}"]
    assert ours
    for block in ours:
        assert types[block.get_block_type_slug()].description == block._description
        assert str(block._block_type_name) in done.stdout


@pytest.mark.parametrize("block", BLOCKS)
def test_every_field_of_our_blocks_has_a_title_and_a_description(block: type[Block]) -> None:
    classes = [one for one in block.__mro__ if one.__module__.startswith("blocks.")]
    own = {name for one in classes for name in vars(one).get("__annotations__", {}) if not name.startswith("_")}
    assert own
    fields = {name: block.model_fields[name] for name in own}
    assert [name for name, one in fields.items() if not (one.title and one.description)] == []
    assert block._description
    assert block._block_type_name


SHOWN = {
    **{AwsSessionCredentials: "AWS credentials", LogsBucket: "Logs bucket", ResultsBucket: "Results bucket"},
    **{Database: "Database", Environment: "Environment"},
}
IN_WORDS = re.compile(
    r"(AWS|API|URL|S3|ARNs?|ID|SSL|Botocore|[A-Z]?[a-z]+)( (AWS|API|URL|S3|ARNs?|ID|SSL|[A-Z]?[a-z]+))*"
)


def labels(schema: Data, definitions: Data) -> Iterator[tuple[str, str]]:
    """The labels and descriptions of a form's fields, as Prefect's UI finds them."""
    for field in schema["properties"].values():
        found = {}
        if "$ref" in field:
            found = definitions[field["$ref"].removeprefix("#/definitions/")]
            if "block_type_slug" not in found:  # a block is chosen, and these are filled in
                yield from labels(found, definitions)
        shown = {**field, **found}
        yield shown["title"], shown.get("description", "")
        yield from ((one["title"], one.get("description", "")) for one in field.get("anyOf", []) if "title" in one)
        assert not any("$ref" in one for one in field.get("anyOf", []))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_server_has_forms_with_labels_in_words_and_no_texts_or_pictures_of_others(
    prefect_server: None, block: type[Block]
) -> None:
    slug, logo = block.get_block_type_slug(), TypeAdapter(HttpUrl).validate_python("https://example.com/logo.png")
    block.register_type_and_schema()
    with get_client(sync_client=True) as client:
        client.update_block_type(client.read_block_type_by_slug(slug).id, BlockTypeUpdate(logo_url=logo))  # version 1's
        block.register_type_and_schema()
        found = client.read_block_type_by_slug(slug)
        schema = client.get_most_recent_block_schema_for_block_type(found.id)
    assert found.logo_url is None
    assert schema is not None
    assert schema.fields["title"] == SHOWN[block]
    shown = list(labels(schema.fields, schema.fields.get("definitions", {})))
    assert [label for label, _ in shown if IN_WORDS.fullmatch(label) is None] == []
    assert [text for _, text in shown if "\n" in text or "boto3" in text or "Model used" in text] == []
    if block is Environment:
        assert {"Logs bucket", "Results bucket", "Database", "Largest share of rejected lines"} <= dict(shown).keys()


# Documents of version 1.


def stored() -> list[Data]:
    """The documents of version 1, as the file contains them."""
    found: list[Data] = json.loads((ROOT / "tests" / "data" / "blocks_v1.json").read_text())
    return found


def test_documents_of_version_1_load(prefect_server: None) -> None:
    documents = stored()
    ours = {block.get_block_type_slug() for block in BLOCKS}
    assert {document["block_type_slug"] for document in documents} == ours
    names = create_documents(documents, "whole", BLOCKS)
    environment = load_environment(names[SLUG])
    assert own_settings(environment) == {
        **DEFAULTS,  # max_expansion_ratio and spill_folder were added later
        **{"log_environment": "staging", "max_rejected_ratio": 0.2, "memory_limit": "512MB", "threads": 1},
        **{"notify_email": "data@example.com", "notify_from": "pipeline@example.com"},
    }
    logs, results, database = environment.logs, environment.results, environment.database
    assert database.schema_name == "fixture"
    assert "fixture-database-password" in database.url.get_secret_value()
    assert (logs.bucket_name, prefix_of(logs)) == ("v1-logs-bucket", "raw/")
    assert type(results) is ResultsBucket
    assert prefix_of(results) == "team/"
    credentials: Any = results.credentials
    assert type(credentials) is AwsSessionCredentials
    assert credentials.aws_session_token == SecretStr("fixture-session-token")
    assert credentials.region_name == "eu-central-1"


def test_documents_that_refer_to_credentials_of_prefect_aws_load(prefect_server: None) -> None:
    saved("plain")
    like = read_document(SLUG, "plain", include_secrets=True)
    data = copy.deepcopy(like.data)
    data["logs"]["credentials"] = {"aws_access_key_id": "AKIDPLAIN", "block_type_slug": "aws-credentials"}
    create_document("plain-again", data, like.block_type_id, like.block_schema_id)
    environment = load_environment("plain-again")
    assert environment.logs.credentials.aws_access_key_id == "AKIDPLAIN"


REQUIRED = {
    *{"logs", "results", "database", "url", "bucket_name", "credentials"},
    *{"aws_access_key_id", "aws_secret_access_key"},
}


def test_documents_of_version_1_without_optional_fields_load_with_the_defaults(prefect_server: None) -> None:
    documents = stored()
    for document in documents:
        document["data"] = {k: value for k, value in document["data"].items() if k in REQUIRED}
    names = create_documents(documents, "bare", BLOCKS)
    environment = load_environment(names[SLUG])
    assert own_settings(environment) == DEFAULTS
    assert environment.database.schema_name is None
    assert (prefix_of(environment.logs), environment.logs.bucket_name) == ("", "v1-logs-bucket")


def test_documents_of_version_1_with_plain_data_instead_of_nested_blocks_load(prefect_server: None) -> None:
    names = create_documents(stored(), "nested", BLOCKS)
    like = read_document(SLUG, names[SLUG], include_secrets=True)
    data = copy.deepcopy(like.data)
    data["results"] = {"basepath": "/somewhere", "block_type_slug": "local-file-system"}
    create_document("v1-plain", data, like.block_type_id, like.block_schema_id)
    environment = load_environment("v1-plain")
    assert type(environment.results) is LocalFileSystem
    assert environment.results.basepath == "/somewhere"
    assert environment.logs.bucket_name == "v1-logs-bucket"
    assert environment.database.schema_name == "fixture"


# Documents of other versions.


@pytest.mark.parametrize(
    ("field", "schema", "value"),
    [
        pytest.param("threads", {"title": "Threads", "type": "integer", "default": 2, "minimum": 1}, 2, id="previous"),
        pytest.param("later", {"title": "Later", "type": "string"}, "unknown", id="later"),
    ],
)
def test_documents_with_the_schema_of_another_version_load(
    prefect_server: None, field: str, schema: Data, value: object
) -> None:
    names = create_documents(stored(), f"other-{field}", BLOCKS)
    with get_client(sync_client=True) as client:
        like = client.read_block_document_by_name(names[SLUG], SLUG, include_secrets=True)
        assert like.block_schema is not None
        fields = copy.deepcopy(like.block_schema.fields)
        fields["properties"][field] = schema
        other = client.create_block_schema(
            BlockSchemaCreate(fields=fields, block_type_id=like.block_type_id, capabilities=[])
        )
    name = f"other-version-{field}"
    create_document(name, {**like.data, field: value}, like.block_type_id, other.id)
    environment = load_environment(name)
    assert environment.threads == (value if field == "threads" else 1)
    assert environment.log_environment == "staging"
    assert environment.database.schema_name == "fixture"
