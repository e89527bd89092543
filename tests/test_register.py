"""`python -m blocks.register` and the blocks it makes: contract, section 7."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockSchemaCreate
from prefect.filesystems import LocalFileSystem
from prefect.settings import get_current_settings
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.environment import SLUG, Environment, LogsBucket, ResultsBucket, prefix_of, s3_client
from blocks.load import load_environment, registered
from blocks.register import main
from blocks.settings import EnvironmentSettings, read_settings
from flows.errors import SettingsError
from flows.logs.streams import MOST_EXPANSION
from tests.support.documents import Data, create_document, create_documents, read_document

ROOT = Path(__file__).parents[1]
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
NAMES = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "S3_ENDPOINT_URL",
    "LOGS_BUCKET",
    "LOGS_PREFIX",
    "RESULTS_BUCKET",
    "RESULTS_PREFIX",
    "DATABASE_URL",
    "DATABASE_SCHEMA",
    "LOG_ENVIRONMENT",
    "MAX_REJECTED_RATIO",
    "MAX_EXPANSION_RATIO",
    "DUCKDB_MEMORY_LIMIT",
    "DUCKDB_THREADS",
    "DUCKDB_SPILL_FOLDER",
    "NOTIFY_EMAIL",
    "NOTIFY_FROM",
]
REQUIRED = ("LOGS_BUCKET", "RESULTS_BUCKET", "DATABASE_URL")
GOOD = {
    "LOGS_BUCKET": "logs",
    "RESULTS_BUCKET": "results",
    "DATABASE_URL": f"postgresql://someone:{PASSWORD}@db.example.com/pages",
}
NAME = "of-a-file"


def python(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, with these settings alone and the tests' server."""
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    prefect = get_current_settings().to_environment_variables(exclude_unset=True)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**kept, **prefect, "PYTHONPATH": path, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def register(name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return python("-m", "blocks.register", name, *arguments, **settings)


def documents() -> dict[tuple[str, str], Data]:
    """Every block document that the server has, with its secrets, by type and name."""
    with get_client(sync_client=True) as client:
        found = client.read_block_documents(include_secrets=True, limit=200)
    return {(one.block_type_name or "", one.name or ""): one.data for one in found}


@pytest.fixture(scope="module")
def done(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    """The command, run with a file, and with other values in the process's environment."""
    file = tmp_path_factory.mktemp("register") / "staging.env"
    file.write_text(FILE)
    process = {"LOGS_BUCKET": "logs-of-the-process", "RESULTS_PREFIX": "team"}
    process |= {"LOG_ENVIRONMENT": "staging", "NOTIFY_FROM": "pipeline@example.com"}
    return register(NAME, "--env-file", str(file), **process)


# What is saved.


def test_the_command_saves_the_environment_and_says_what_to_do_next(
    done: subprocess.CompletedProcess[str],
) -> None:
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{NAME!r} are saved" in done.stdout
    assert f"environment='{NAME}'" in done.stdout
    assert NAME in registered()
    assert registered() == sorted(registered())


def test_no_secret_is_printed(done: subprocess.CompletedProcess[str]) -> None:
    for secret in SECRETS:
        assert secret not in done.stdout + done.stderr


def test_the_loaded_environment_has_every_value_and_the_file_goes_before_the_process(
    done: subprocess.CompletedProcess[str],
) -> None:
    environment = load_environment(NAME)
    own = ("log_environment", "max_rejected_ratio", "max_expansion_ratio", "memory_limit")
    others = ("threads", "spill_folder", "notify_email", "notify_from")
    assert {name: getattr(environment, name) for name in (*own, *others)} == {
        "log_environment": "staging",
        "max_rejected_ratio": 0.25,
        "max_expansion_ratio": 2000,
        "memory_limit": "1.5GiB",
        "threads": 3,
        "spill_folder": "/var/spill",
        "notify_email": "data@example.com",
        "notify_from": "pipeline@example.com",
    }
    assert type(environment.logs) is LogsBucket
    assert type(environment.results) is ResultsBucket
    assert type(environment.database) is Database
    assert environment.logs.bucket_name == "logs-of-the-file"
    assert environment.results.bucket_name == "results-of-the-file"
    assert (prefix_of(environment.logs), prefix_of(environment.results)) == ("raw/", "team/")
    assert environment.database.schema_name == "Mixed Case"
    url = f"postgresql://someone:{PASSWORD}@db.example.com:5433/pages?sslmode=require"
    assert environment.database.url.get_secret_value() == url
    for bucket in (environment.logs, environment.results):
        credentials: Any = bucket.credentials
        assert type(credentials) is AwsSessionCredentials
        assert credentials.aws_access_key_id == "AKIDFILE"
        assert credentials.aws_secret_access_key == SecretStr(SECRET_KEY)
        assert credentials.aws_session_token == SecretStr(TOKEN)
        assert credentials.region_name == "eu-west-3"
        assert credentials.aws_client_parameters.endpoint_url == "https://s3.example.com:9000"


def test_a_session_token_reaches_the_s3_client(done: subprocess.CompletedProcess[str]) -> None:
    environment = load_environment(NAME)
    credentials: Any = environment.logs.credentials
    found = credentials.get_boto3_session().get_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("AKIDFILE", SECRET_KEY, TOKEN)
    client = s3_client(environment.logs)
    assert client.meta.endpoint_url == "https://s3.example.com:9000"
    assert client.meta.region_name == "eu-west-3"
    assert TOKEN in client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})


def test_a_process_that_knows_nothing_else_loads_the_same_environment(
    done: subprocess.CompletedProcess[str],
) -> None:
    script = (
        "from blocks.load import load_environment\n"
        f"e = load_environment({NAME!r})\n"
        "c = e.logs.credentials\n"
        "print(type(c).__name__, type(e.results).__name__, type(c.aws_session_token).__name__)\n"
        "print(e)\n"
        "print(c.get_boto3_session().get_credentials().token is not None)\n"
    )
    loaded = python("-W", "error::UserWarning", "-c", script)
    assert loaded.returncode == 0, loaded.stderr
    lines = loaded.stdout.splitlines()
    assert lines[0] == "AwsSessionCredentials ResultsBucket SecretStr"
    assert lines[-1] == "True"
    for secret in SECRETS:
        assert secret not in loaded.stdout + loaded.stderr


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        (SLUG, NAME),
        ("user-page-views-logs-bucket", f"{NAME}-logs"),
        ("user-page-views-results-bucket", f"{NAME}-results"),
        ("user-page-views-database", NAME),
        ("aws-session-credentials", NAME),
    ],
)
def test_no_secret_is_readable_through_the_api_without_asking_for_secrets(
    done: subprocess.CompletedProcess[str], slug: str, name: str
) -> None:
    masked = read_document(slug, name, include_secrets=False).model_dump_json()
    known = read_document(slug, name, include_secrets=True).model_dump_json()
    there = [secret for secret in SECRETS if secret in known]
    assert there
    assert [secret for secret in SECRETS if secret in masked] == []


def test_no_secret_shows_in_the_text_of_a_block(done: subprocess.CompletedProcess[str]) -> None:
    environment = load_environment(NAME)
    shown = f"{environment} {environment!r} {environment.model_dump_json()}"
    assert [secret for secret in SECRETS if secret in shown] == []


def test_it_is_safe_to_repeat_and_a_repeat_updates_what_changed_nested_blocks_too(
    prefect_server: None, tmp_path: Path
) -> None:
    file, name = tmp_path / "f", "repeated"
    keys = "AWS_ACCESS_KEY_ID=AKID\nAWS_SECRET_ACCESS_KEY=two\n"
    lines = "".join(f"{key}={value}\n" for key, value in GOOD.items())
    file.write_text(lines)
    main(name, file)
    first = documents()
    own = load_environment(name)
    assert isinstance(own.logs.credentials, AwsCredentials)
    assert own.logs.credentials.aws_access_key_id is None  # the machine's own identity
    assert own.database.schema_name is None
    assert (own.log_environment, own.max_rejected_ratio) == ("production", 0.05)
    assert own.max_expansion_ratio == MOST_EXPANSION
    changed = lines.replace("=logs", "=other-logs").replace("/pages", "/others")
    file.write_text(changed + keys + "MAX_REJECTED_RATIO=0.5\n")
    main(name, file)
    assert documents().keys() == first.keys()
    environment = load_environment(name)
    assert environment.logs.bucket_name == "other-logs"
    assert isinstance(environment.results, ResultsBucket)
    assert environment.results.bucket_name == "results"
    assert environment.max_rejected_ratio == 0.5
    assert environment.database.url.get_secret_value().endswith("/others")
    for bucket in (environment.logs, environment.results):
        credentials: Any = bucket.credentials
        assert isinstance(credentials, AwsCredentials)
        assert credentials.aws_access_key_id == "AKID"
        assert credentials.aws_secret_access_key == SecretStr("two")


# What is refused.


def test_all_missing_names_are_listed_at_once_and_nothing_is_saved(prefect_server: None) -> None:
    before = documents()
    done = register("lacking", LOGS_BUCKET="", MAX_REJECTED_RATIO="many")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nothing was saved" in done.stderr
    assert f"Missing: {', '.join(REQUIRED)}." in done.stderr
    assert "MAX_REJECTED_RATIO" in done.stderr
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr
    assert documents() == before


MALFORMED = [
    ("DATABASE_URL", f"mysql://someone:{PASSWORD}@h/pages"),
    ("DATABASE_URL", f"postgresql://someone:{PASSWORD}@h:port/pages"),
    ("DATABASE_URL", f"postgresql://someone:{PASSWORD}@h"),
    ("DATABASE_URL", f"postgresql+asyncpg://someone:{PASSWORD}@h/pages"),
    ("DATABASE_URL", f"someone:{PASSWORD}"),
    ("DATABASE_URL", PASSWORD),
    ("DATABASE_SCHEMA", "pg_temp"),
    ("DATABASE_SCHEMA", "x" * 64),
    ("LOGS_BUCKET", "s3://bucket"),
    ("LOGS_BUCKET", "a b"),
    ("RESULTS_BUCKET", "x"),
    ("RESULTS_BUCKET", "bucket/folder"),
    ("S3_ENDPOINT_URL", "localhost:9000"),
    ("S3_ENDPOINT_URL", f"https://someone:{PASSWORD}@s3.example.com"),
    ("S3_ENDPOINT_URL", "https:///path"),
    ("MAX_REJECTED_RATIO", "1.01"),
    ("MAX_REJECTED_RATIO", "-0.1"),
    ("MAX_REJECTED_RATIO", "nan"),
    ("MAX_REJECTED_RATIO", "5%"),
    ("MAX_EXPANSION_RATIO", "0"),
    ("MAX_EXPANSION_RATIO", "1.5"),
    ("MAX_EXPANSION_RATIO", "1000:1"),
    ("MAX_EXPANSION_RATIO", "inf"),
    ("DUCKDB_MEMORY_LIMIT", "1"),
    ("DUCKDB_MEMORY_LIMIT", "0GB"),
    ("DUCKDB_MEMORY_LIMIT", "80%"),
    ("DUCKDB_MEMORY_LIMIT", "many GB"),
    ("DUCKDB_THREADS", "0"),
    ("DUCKDB_THREADS", "two"),
    ("NOTIFY_EMAIL", "nobody"),
    ("NOTIFY_FROM", "a b@example.com"),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_value_is_named_and_never_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(None, {**GOOD, "NOTIFY_FROM": "a@example.com", name: value})
    assert f"Malformed: {name}: " in str(error.value)
    assert "Missing" not in str(error.value)
    assert PASSWORD not in f"{error.value!r} {error.value.__cause__}"
    if len(value) > 3:
        assert value not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKID"}, ["AWS_SECRET_ACCESS_KEY", "both"]),
        ({"AWS_SECRET_ACCESS_KEY": SECRET_KEY}, ["AWS_ACCESS_KEY_ID", "both"]),
        ({"AWS_SESSION_TOKEN": TOKEN}, ["AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"]),
        ({"NOTIFY_EMAIL": "a@example.com"}, ["NOTIFY_EMAIL", "NOTIFY_FROM"]),
    ],
)
def test_names_that_belong_together_are_asked_for_together(
    settings: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(None, {**GOOD, **settings})
    assert [word for word in words if word not in str(error.value)] == []
    assert [secret for secret in SECRETS if secret in str(error.value)] == []


def test_several_malformed_names_are_each_named_without_their_values(
    prefect_server: None, tmp_path: Path
) -> None:
    before = documents()
    file = tmp_path / "f"
    url = f"mysql://someone:{PASSWORD}@h/pages"
    file.write_text(f"{FILE}DATABASE_URL={url}\nS3_ENDPOINT_URL=no-url\nLOGS_BUCKET=a/b\n")
    done = register("malformed", "--env-file", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    for name in ("DATABASE_URL", "S3_ENDPOINT_URL", "LOGS_BUCKET"):
        assert f"{name}: " in done.stderr
    for value in (*SECRETS, url, "no-url", "a/b"):
        assert value not in done.stderr
    assert documents() == before


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no file .*nowhere.env.*--env-file"):
        read_settings(tmp_path / "nowhere.env", GOOD)


def test_the_file_goes_before_the_process_and_an_empty_value_counts_as_absent(
    tmp_path: Path,
) -> None:
    file = tmp_path / "f"
    file.write_text("LOGS_BUCKET=of-the-file\nRESULTS_BUCKET=\nLOGS_PREFIX\nAWS_REGION=''\n")
    process = {**GOOD, "LOGS_PREFIX": "of-the-process", "LOG_ENVIRONMENT": "", "AWS_REGION": ""}
    settings = read_settings(file, process)
    assert settings.logs_bucket == "of-the-file"
    assert settings.results_bucket == "results"
    assert settings.logs_prefix == "of-the-process"
    assert settings.log_environment == "production"
    assert settings.aws_region is None


def test_a_value_in_the_file_is_taken_literally(tmp_path: Path) -> None:
    file = tmp_path / "f"
    url = "postgresql://someone:${HOME}$x%40@h/pages"
    file.write_text(f"DATABASE_URL={url}\n")
    assert read_settings(file, GOOD).database_url.get_secret_value() == url


@pytest.mark.parametrize(
    "name", ["local", "", "Staging", "1st", "-a", "a_b", "a b", "a/b", "a" * 32, "a\n", "\u00e9"]
)
def test_names_outside_of_the_rule_and_local_are_refused(
    prefect_server: None,
    tmp_path: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
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


def test_the_help_names_every_setting_of_the_contract() -> None:
    done = python("-m", "blocks.register", "--help", COLUMNS="200", TERMINAL_WIDTH="200")
    assert done.returncode == 0
    assert [name for name in NAMES if name not in done.stdout] == []
    assert {name.upper() for name in EnvironmentSettings.model_fields} == set(NAMES)


# Block types.


def test_prefect_registers_our_block_types_by_module(prefect_server: None) -> None:
    modules = ("blocks.environment", "blocks.database", "blocks.credentials")
    ours = {
        "user-page-views-environment",
        "user-page-views-results-bucket",
        "user-page-views-database",
        "aws-session-credentials",
    }
    for module in modules:
        done = python("-m", "prefect", "block", "register", "-m", module)
        assert done.returncode == 0, done.stderr
        assert "registered" in done.stdout.lower()
    with get_client(sync_client=True) as client:
        types = {one.slug: one for one in client.read_block_types()}
    assert ours <= types.keys()
    assert [slug for slug in ours if not types[slug].description] == []


@pytest.mark.parametrize("block", [Environment, Database, ResultsBucket, AwsSessionCredentials])
def test_every_field_of_our_blocks_has_a_title_and_a_description(block: type[Block]) -> None:
    own = [name for name in block.__annotations__ if not name.startswith("_")]
    fields = {name: block.model_fields[name] for name in own}
    assert [name for name, one in fields.items() if not (one.title and one.description)] == []
    assert block._description
    assert block._block_type_name


# Documents of version 1.

BLOCKS: list[type[Block]] = [
    AwsSessionCredentials,
    LogsBucket,
    ResultsBucket,
    Database,
    Environment,
]


def stored() -> list[Data]:
    """The documents of version 1, as the file keeps them."""
    found: list[Data] = json.loads((ROOT / "tests" / "data" / "blocks_v1.json").read_text())
    return found


def test_every_block_type_of_ours_has_a_document_of_version_1() -> None:
    ours = {block.get_block_type_slug() for block in BLOCKS}
    assert {document["block_type_slug"] for document in stored()} == ours


def test_documents_of_version_1_load(prefect_server: None) -> None:
    names = create_documents(stored(), "whole", BLOCKS)
    environment = load_environment(names[SLUG])
    assert (environment.log_environment, environment.max_rejected_ratio) == ("staging", 0.2)
    assert (environment.memory_limit, environment.threads) == ("512MB", 1)
    # Later than version 1, so its documents have it not.
    assert environment.max_expansion_ratio == MOST_EXPANSION
    assert environment.notify_email == "data@example.com"
    assert environment.notify_from == "pipeline@example.com"
    assert environment.database.schema_name == "fixture"
    assert "fixture-database-password" in environment.database.url.get_secret_value()
    assert (environment.logs.bucket_name, prefix_of(environment.logs)) == ("v1-logs-bucket", "raw/")
    assert type(environment.results) is ResultsBucket
    assert prefix_of(environment.results) == "team/"
    credentials: Any = environment.results.credentials
    assert type(credentials) is AwsSessionCredentials
    assert credentials.aws_session_token == SecretStr("fixture-session-token")
    assert credentials.region_name == "eu-central-1"


OPTIONAL = {
    SLUG: [
        *["log_environment", "max_rejected_ratio", "memory_limit", "threads"],
        *["notify_email", "notify_from"],
    ],
    "user-page-views-database": ["schema_name"],
    "user-page-views-results-bucket": ["bucket_folder"],
    "user-page-views-logs-bucket": ["bucket_folder"],
    "aws-session-credentials": [
        *["aws_session_token", "profile_name", "region_name"],
        *["aws_client_parameters", "assume_role_arn", "assume_role_kwargs"],
    ],
}


def test_documents_of_version_1_without_optional_fields_load_with_the_defaults(
    prefect_server: None,
) -> None:
    documents = stored()
    for document in documents:
        for name in OPTIONAL[document["block_type_slug"]]:
            del document["data"][name]
    names = create_documents(documents, "bare", BLOCKS)
    environment = load_environment(names[SLUG])
    assert (environment.log_environment, environment.max_rejected_ratio) == ("production", 0.05)
    assert (environment.memory_limit, environment.threads) == ("1GB", 2)
    assert environment.max_expansion_ratio == MOST_EXPANSION
    assert (environment.notify_email, environment.database.schema_name) == (None, None)
    assert (prefix_of(environment.logs), environment.logs.bucket_name) == ("", "v1-logs-bucket")


def test_documents_of_version_1_with_their_parts_as_plain_data_load(prefect_server: None) -> None:
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


def test_documents_of_a_later_version_with_a_field_that_is_not_known_here_load(
    prefect_server: None,
) -> None:
    names = create_documents(stored(), "later", BLOCKS)
    with get_client(sync_client=True) as client:
        like = client.read_block_document_by_name(names[SLUG], SLUG, include_secrets=True)
        assert like.block_schema is not None
        fields = copy.deepcopy(like.block_schema.fields)
        fields["properties"]["later"] = {"title": "Later", "type": "string", "default": "x"}
        schema = client.create_block_schema(
            BlockSchemaCreate(fields=fields, block_type_id=like.block_type_id, capabilities=[])
        )
    data = {**like.data, "later": "unknown"}
    create_document("v1-later-field", data, like.block_type_id, schema.id)
    environment = load_environment("v1-later-field")
    assert environment.log_environment == "staging"
    assert environment.database.schema_name == "fixture"
