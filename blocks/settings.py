"""The settings of an environment, as `blocks.register` reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from flows.errors import SettingsError


def _postgresql_url(value: SecretStr) -> SecretStr:
    rule = "must be a URL of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    try:
        url = make_url(value.get_secret_value())
    except (ArgumentError, ValueError):
        # The original would quote the URL, password and all.
        raise ValueError(rule) from None
    if url.drivername not in ("postgresql", "postgresql+psycopg2") or not url.database:
        raise ValueError(rule)
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("must hold no user or password: use AWS_ACCESS_KEY_ID and its secret")
    return value


def _schema_name(value: str) -> str:
    if value.startswith("pg_") or len(value.encode()) > 63:
        raise ValueError("must be at most 63 bytes and must not start with pg_")
    return value


Bucket = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")]
MemoryLimit = Annotated[str, Field(pattern=r"^[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class EnvironmentSettings(BaseModel):
    """The names of the contract, section 7, in lower case."""

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
    duckdb_threads: Annotated[int, Field(ge=1)] = 2
    duckdb_spill_folder: str | None = None
    notify_email: Email | None = None
    notify_from: Email | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> "EnvironmentSettings":
        keys = (self.aws_access_key_id, self.aws_secret_access_key)
        if (keys[0] is None) != (keys[1] is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: give both")
        if self.aws_session_token is not None and keys[0] is None:
            raise ValueError("AWS_SESSION_TOKEN needs AWS_ACCESS_KEY_ID and its secret")
        if self.notify_email is not None and self.notify_from is None:
            raise ValueError("NOTIFY_EMAIL needs NOTIFY_FROM, a sender that Amazon SES knows")
        return self


def read_settings(env_file: Path | None, process: Mapping[str, str]) -> EnvironmentSettings:
    """Read the settings from a file and, where it lacks them, from the process's environment.

    An empty value counts as absent.

    Raises:
        SettingsError: A name is missing or malformed; the message lists them all, without values.
    """
    given: dict[str, str | None] = {}
    if env_file is not None:
        if not env_file.is_file():
            raise SettingsError(f"There is no file {str(env_file)!r}: name one with --env-file.")
        given = dotenv_values(env_file, interpolate=False)
    values = {
        name: value
        for name in EnvironmentSettings.model_fields
        if (value := given.get(name.upper()) or process.get(name.upper()))
    }
    try:
        return EnvironmentSettings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_problems(error)) from None


def _problems(error: ValidationError) -> str:
    """Every problem by its name; never a value, which may be a secret."""
    missing, wrong = [], []
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"][:1]).upper()
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            missing.append(name)
        else:
            wrong.append(f"{name}: {message}" if name else message)
    parts = [f"Missing: {', '.join(missing)}."] if missing else []
    parts += [f"Malformed: {'; '.join(wrong)}."] if wrong else []
    return " ".join([*parts, "See python -m blocks.register --help."])
