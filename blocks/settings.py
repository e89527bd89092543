"""The settings of an environment, as `blocks.register` reads them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from flows.errors import SettingsError


def _postgresql_url(value: SecretStr) -> SecretStr:
    rule = "must be a URL of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    try:
        url = make_url(value.get_secret_value())
    except (ArgumentError, ValueError):
        # The original message quotes the URL with its password.
        raise ValueError(rule) from None
    if url.drivername not in ("postgresql", "postgresql+psycopg2") or not url.database:
        raise ValueError(rule)
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("must not contain a user or password: use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return value


def _schema_name(value: str) -> str:
    if value.startswith("pg_") or len(value.encode()) > 63:
        raise ValueError("must be at most 63 bytes and must not start with pg_")
    return value


def _matches(pattern: str, rule: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(rule)
        return value

    return AfterValidator(check)


Bucket = Annotated[
    str,
    _matches(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}", "must be the name of a bucket, without s3:// and without a prefix"),
]
MemoryLimit = Annotated[
    str,
    _matches(
        r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", "must be a number of at least 1 with a unit, such as 1.5GB or 512MiB"
    ),
]
Email = Annotated[str, _matches(r"[^@\s]+@[^@\s]+", "must be an email address")]


class EnvironmentSettings(BaseModel):
    """The settings, by their names in lower case."""

    logs_bucket: Bucket
    results_bucket: Bucket
    database_url: Annotated[SecretStr, AfterValidator(_postgresql_url)]
    logs_prefix: str = ""
    results_prefix: str = ""
    database_schema: Annotated[str, AfterValidator(_schema_name)] | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_region: str | None = None
    s3_endpoint_url: Annotated[str, AfterValidator(_http_url)] | None = None
    log_environment: str = "production"
    max_rejected_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05
    max_expansion_ratio: Annotated[int, Field(ge=1)] = 500
    duckdb_memory_limit: MemoryLimit = "1GB"
    duckdb_threads: Annotated[int, Field(ge=1)] | None = None
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
            message = problem["msg"].removeprefix("Value error, ")
            yield f"{str(problem['loc'][0]).upper()}: {message}"
