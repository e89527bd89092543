"""The settings of an environment, as `blocks.register` reads them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import psycopg2
from dotenv import dotenv_values
from psycopg2.extensions import parse_dsn
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError, ValidationInfo

from flows.errors import SettingsError

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
LOCAL = "local"


def _postgresql_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value().replace("postgresql+psycopg2://", "postgresql://", 1)
    try:
        found = parse_dsn(url) if re.match("postgres(ql)?://", url) else {}
    except psycopg2.ProgrammingError:  # its message may quote the password
        found = {}
    host, port, name = (found.get(part, "") for part in ("host", "port", "dbname"))
    # An @ or a port of letters is part of a password that is not percent-encoded.
    if not name or "@" in host + name or not re.fullmatch("[0-9,]*", port):
        raise ValueError(
            "must be a URL such as postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full, with parameters "
            "as libpq spells them, and special characters percent-encoded (%2F for a slash)"
        )
    return value


def _endpoint_url(value: str, info: ValidationInfo) -> str:
    if "@" in value:
        raise ValueError("must not contain a user or password: use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if re.fullmatch(r"https?://([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?(/[^\s?#]*)?", value) is None:
        raise ValueError("must be a URL that starts with http:// or https://, such as https://s3.example.com:9000")
    arns = [name for name in ("logs_bucket", "results_bucket") if str(info.data.get(name)).startswith("arn:")]
    if arns and ".vpce." not in value:
        raise ValueError("is no endpoint for an ARN: name a bucket, such as my-logs, or leave this URL out")
    return value


def _schema_name(value: str) -> str:
    if value.startswith("pg_") or value == "information_schema" or len(value.encode()) > 63:
        raise ValueError("must be at most 63 bytes, such as staging, and not PostgreSQL's own (pg_…)")
    return value


def _matches(pattern: str, rule: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(rule)
        return value

    return AfterValidator(check)


_ARN = "arn:aws[a-z-]*:s3{}:[a-z0-9-]+:[0-9]{{12}}:{}accesspoint[/:][A-Za-z0-9-]{{1,63}}"
Bucket = Annotated[
    str,
    _matches(
        "[A-Za-z0-9][A-Za-z0-9._-]{1,62}"
        f"|{_ARN.format('', '')}|{_ARN.format('-outposts', 'outpost[/:][A-Za-z0-9-]{1,63}[/:]')}",
        "must be the name of a bucket, such as my-logs, or the ARN of an access point in one Region, such as "
        "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-logs, without s3:// and without a prefix",
    ),
]
Region = Annotated[str, _matches("(?![0-9]+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)", "must be a region, such as eu-west-1")]
MemoryLimit = Annotated[
    str,
    _matches(
        r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", "must be a number of at least 1 with a unit, such as 1.5GB or 512MiB"
    ),
]
Email = Annotated[str, _matches(r"[^@\s]+@[^@\s]+", "must be an email address, such as data@example.com")]


class EnvironmentSettings(BaseModel):
    """The settings, by their names in lower case; a description says what a number must be."""

    logs_bucket: Bucket
    results_bucket: Bucket
    database_url: Annotated[SecretStr, AfterValidator(_postgresql_url)]
    logs_prefix: str = ""
    results_prefix: str = ""
    database_schema: Annotated[str, AfterValidator(_schema_name)] | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_region: Region | None = None
    s3_endpoint_url: Annotated[str, AfterValidator(_endpoint_url)] | None = None
    log_environment: str = "production"
    max_rejected_ratio: float = Field(0.05, ge=0, le=1, description="must be a number from 0 to 1, such as 0.05")
    max_expansion_ratio: int = Field(500, ge=1, description="must be a whole number of at least 1, such as 500")
    duckdb_memory_limit: MemoryLimit = "1GB"
    duckdb_threads: int | None = Field(None, ge=1, description="must be a whole number of at least 1, such as 4")
    duckdb_spill_folder: str | None = None
    notify_email: Email | None = None
    notify_from: Email | None = None


# A setting, and those that cannot be used without it.
_NEEDED_BY = {
    "aws_access_key_id": ("aws_secret_access_key", "aws_session_token"),
    "aws_secret_access_key": ("aws_access_key_id", "aws_session_token"),
    "notify_from": ("notify_email",),
}


def read_settings(env_file: Path | None, environment_variables: Mapping[str, str]) -> EnvironmentSettings:
    """Read the settings from a file and, if they are not there, from environment variables.

    An empty value counts as missing.

    Raises:
        SettingsError: A name is missing or malformed; the message lists all of them, without their values.
    """
    in_file: dict[str, str | None] = {}
    if env_file is not None:
        if not env_file.is_file():
            raise SettingsError(f"There is no file {str(env_file)!r}: correct --env-file.")
        try:
            in_file = dotenv_values(env_file, interpolate=False)
        except UnicodeDecodeError:
            # The original would quote a line, which may contain a secret.
            raise SettingsError(f"The file {str(env_file)!r} is not UTF-8: convert it.") from None
    values = {
        name: value
        for name in EnvironmentSettings.model_fields
        if (value := in_file.get(name.upper()) or environment_variables.get(name.upper()))
    }
    missing, malformed = list(_missing(values)), []
    try:
        settings = EnvironmentSettings.model_validate(values)
    except ValidationError as error:
        malformed = list(_malformed(error))
    if not missing and not malformed:
        return settings
    sentences = [f"Missing: {', '.join(missing)}."] if missing else []
    sentences += [f"Malformed: {'; '.join(malformed)}."] if malformed else []
    raise SettingsError(" ".join([*sentences, "See python -m blocks.register --help."]))


def _missing(values: Mapping[str, str]) -> Iterator[str]:
    for name, field in EnvironmentSettings.model_fields.items():
        if name in values:
            continue
        users = [user.upper() for user in _NEEDED_BY.get(name, ()) if user in values]
        if users:
            yield f"{name.upper()} (needed by {' and '.join(users)})"
        elif field.is_required():
            yield name.upper()


def _malformed(error: ValidationError) -> Iterator[str]:
    """Each malformed setting by its name, without its value, which may be a secret."""
    for problem in error.errors(include_input=False, include_url=False):
        if problem["type"] != "missing":
            name = str(problem["loc"][0])
            rule = EnvironmentSettings.model_fields[name].description
            yield f"{name.upper()}: {rule or problem['msg'].removeprefix('Value error, ')}"
