"""`python -m blocks.register` and the blocks that it saves: contract, section 7."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockSchemaCreate
from prefect.filesystems import LocalFileSystem
from pydantic import SecretStr

from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.environment import SLUG, Environment, LogsBucket, ResultsBucket, prefix_of, s3_client
from blocks.load import load_environment, registered
from blocks.register import main
from blocks.settings import EnvironmentSettings, read_settings
from flows.errors import SettingsError
from tests.support.documents import Data, create_document, create_documents, read_document
from tests.support.programs import ROOT, python

SECRETS = ("secret-key-of-the-file", "session-token-of-the-file", "database-password-of-the-file")
SECRET_KEY, TOKEN, PASSWORD = SECRETS
FILE = f"""\
# A comment.
AWS_ACCESS_KEY_ID=AKIDFILE
AWS_SECRET_ACCESS_KEY="{SECRET_KEY}"
AWS_SESSION_TOKEN={TOKEN}
AWS_REGION=eu-west-3
S3_ENDPOINT_URL=https://s3.example.com:9000
export LOGS_BUCKET=logs-of-the-file
LOGS_PREFIX=raw/
RESULTS_BUCKET=results-of-the-file
RESULTS_PREFIX=
DATABASE_URL=postgresql://someone:{PASSWORD}@db.example.com:5433/pages?sslmode=require
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


@pytest.fixture(scope="module")
def done(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The command, run with a file and with other values in environment variables."""
    file = tmp_path_factory.mktemp("register") / "staging.env"
    file.write_text(FILE)
    variables = {"LOGS_BUCKET": "logs-of-the-process", "RESULTS_PREFIX": "team"}
    variables |= {"LOG_ENVIRONMENT": "staging", "NOTIFY_FROM": "pipeline@example.com"}
    return register(NAME, "--env-file", str(file), **variables)


# What is saved.


def test_the_command_saves_the_environment_and_says_what_to_do_next(done: Done) -> None:
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Saved the environment {NAME!r}" in done.stdout
    assert f"environment='{NAME}'" in done.stdout
    assert secrets_in(done.stdout) == []
    assert NAME in registered()
    assert registered() == sorted(registered())


def test_the_loaded_environment_has_every_value_and_the_file_overrides_the_process(done: Done) -> None:
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
    url = f"postgresql://someone:{PASSWORD}@db.example.com:5433/pages?sslmode=require"
    assert (database.schema_name, database.url.get_secret_value()) == ("Mixed Case", url)
    for bucket in (logs, results):
        credentials: Any = bucket.credentials
        assert type(credentials) is AwsSessionCredentials
        assert credentials.aws_access_key_id == "AKIDFILE"
        assert credentials.aws_secret_access_key == SecretStr(SECRET_KEY)
        assert credentials.aws_session_token == SecretStr(TOKEN)
        assert credentials.region_name == "eu-west-3"
        assert credentials.aws_client_parameters.endpoint_url == "https://s3.example.com:9000"


def test_a_session_token_reaches_the_s3_client(done: Done) -> None:
    environment = load_environment(NAME)
    credentials: Any = environment.logs.credentials
    found = credentials.get_boto3_session().get_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("AKIDFILE", SECRET_KEY, TOKEN)
    client = s3_client(environment.logs)
    assert (client.meta.endpoint_url, client.meta.region_name) == ("https://s3.example.com:9000", "eu-west-3")
    assert TOKEN in client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})


ANOTHER_PROCESS = f"""
from blocks.load import load_environment
e = load_environment({NAME!r})
c = e.logs.credentials
print(type(c).__name__, type(e.results).__name__, type(c.aws_session_token).__name__)
print(e)
print(c.get_boto3_session().get_credentials().token is not None)
"""


def test_another_process_loads_the_same_environment(done: Done) -> None:
    loaded = python("-W", "error::UserWarning", "-c", ANOTHER_PROCESS, without=NAMES)
    lines = loaded.stdout.splitlines()
    assert lines[0] == "AwsSessionCredentials ResultsBucket SecretStr"
    assert lines[-1] == "True"
    assert secrets_in(loaded.stdout + loaded.stderr) == []


def test_the_api_and_the_text_of_a_block_show_secrets_only_if_asked_for_them(done: Done) -> None:
    for block in BLOCKS:
        slug = block.get_block_type_slug()
        name = NAME + {LogsBucket.__name__: "-logs", ResultsBucket.__name__: "-results"}.get(block.__name__, "")
        assert secrets_in(read_document(slug, name, include_secrets=True).model_dump_json())
        assert not secrets_in(read_document(slug, name, include_secrets=False).model_dump_json())
    environment = load_environment(NAME)
    assert secrets_in(f"{environment} {environment!r} {environment.model_dump_json()}") == []


def test_registering_again_updates_what_changed_in_nested_blocks_too(prefect_server: None, tmp_path: Path) -> None:
    file, name = tmp_path / "f", "repeated"
    keys = "AWS_ACCESS_KEY_ID=AKID\nAWS_SECRET_ACCESS_KEY=two\n"
    lines = "".join(f"{key}={value}\n" for key, value in GOOD.items())
    file.write_text(lines)
    main(name, file)
    first = documents()
    environment = load_environment(name)
    credentials: Any = environment.logs.credentials
    assert credentials.aws_access_key_id is None  # the machine's own identity
    assert environment.database.schema_name is None
    assert own_settings(environment) == DEFAULTS
    changed = lines.replace("=logs", "=other-logs").replace("/pages", "/others")
    file.write_text(changed + keys + "MAX_REJECTED_RATIO=0.5\n")
    main(name, file)
    assert documents().keys() == first.keys()
    environment = load_environment(name)
    assert isinstance(environment.results, ResultsBucket)
    assert (environment.logs.bucket_name, environment.results.bucket_name) == ("other-logs", "results")
    assert environment.max_rejected_ratio == 0.5
    assert environment.database.url.get_secret_value().endswith("/others")
    for bucket in (environment.logs, environment.results):
        credentials = bucket.credentials
        assert credentials.aws_access_key_id == "AKID"
        assert credentials.aws_secret_access_key == SecretStr("two")


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


def test_the_help_names_every_setting_of_the_contract_within_80_columns() -> None:
    done = register("--help", COLUMNS="80", TERMINAL_WIDTH="80")
    assert done.returncode == 0
    assert [name for name in NAMES if name not in done.stdout] == []
    assert {name.upper() for name in EnvironmentSettings.model_fields} == set(NAMES)
    # Wrapped lines would have lost their indentation.
    settings = done.stdout.partition("process:")[2].partition("If a setting")[0].splitlines()
    assert [line for line in settings if line.strip() and not line.startswith("    ")] == []
    assert max(map(len, settings)) <= 80


# Block types.


@pytest.mark.parametrize("module", ["environment", "database", "credentials"])
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
