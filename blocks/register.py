"""`python -m blocks.register ENV --env-file F`: create or update an environment's blocks."""

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from blocks.aws import AwsClientParameters
from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.environment import Environment, LogsBucket, ResultsBucket
from blocks.load import LOCAL, NAME
from blocks.settings import EnvironmentSettings, read_settings
from flows.errors import SettingsError

HELP = """Create or update the blocks of an environment; safe to repeat.

The settings are read from the file and, where it lacks them, from this process's environment:

\b
  LOGS_BUCKET            required: the bucket that holds UserUpdates/ and PageViews/
  LOGS_PREFIX            where in it (default: at its top)
  RESULTS_BUCKET         required: the bucket for results storage
  RESULTS_PREFIX         where in it (default: at its top)
  DATABASE_URL           required: postgresql://USER:PASSWORD@HOST:PORT/DATABASE
  DATABASE_SCHEMA        the schema of the tables (default: the connection's own)
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION
                         credentials (default: the machine's own AWS identity)
  S3_ENDPOINT_URL        an S3 endpoint other than AWS's
  LOG_ENVIRONMENT        which records to count (default: production)
  MAX_REJECTED_RATIO     fail a run beyond this share of bad lines (default: 0.05)
  MAX_EXPANSION_RATIO    fail a run where an object expands beyond this ratio (default: 500)
  DUCKDB_MEMORY_LIMIT    DuckDB's memory in one task; beyond it, work spills to disk (default: 1GB)
  DUCKDB_THREADS         DuckDB's threads in one task (default: 2)
  DUCKDB_SPILL_FOLDER    where work spills to (default: the machine's folder for temporary files)
  NOTIFY_EMAIL, NOTIFY_FROM   who is told of failed runs, and by whom

Nothing is saved unless all of it is right.
"""


def save_environment(name: str, settings: EnvironmentSettings) -> None:
    """Save the blocks of one environment, the one that ties them together last."""
    credentials = AwsSessionCredentials(
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key,
        aws_session_token=settings.aws_session_token,
        region_name=settings.aws_region,
        aws_client_parameters=AwsClientParameters(endpoint_url=settings.s3_endpoint_url),
    )
    credentials.save(name, overwrite=True)
    logs = LogsBucket(
        bucket_name=settings.logs_bucket,
        bucket_folder=settings.logs_prefix,
        credentials=credentials,
    )
    logs.save(f"{name}-logs", overwrite=True)
    results = ResultsBucket(
        bucket_name=settings.results_bucket,
        bucket_folder=settings.results_prefix,
        credentials=credentials,
    )
    results.save(f"{name}-results", overwrite=True)
    database = Database(url=settings.database_url, schema_name=settings.database_schema)
    database.save(name, overwrite=True)
    Environment(
        logs=logs,
        results=results,
        database=database,
        log_environment=settings.log_environment,
        max_rejected_ratio=settings.max_rejected_ratio,
        max_expansion_ratio=settings.max_expansion_ratio,
        memory_limit=settings.duckdb_memory_limit,
        threads=settings.duckdb_threads,
        spill_folder=settings.duckdb_spill_folder,
        notify_email=settings.notify_email,
        notify_from=settings.notify_from,
    ).save(name, overwrite=True)


def main(
    environment: Annotated[str, typer.Argument(help="The environment's name, such as staging.")],
    env_file: Annotated[
        Path | None, typer.Option(help="A file of NAME=value lines; it goes before the process's.")
    ] = None,
) -> None:
    """Read the settings, save the blocks, and say what to do next."""
    try:
        if NAME.fullmatch(environment) is None:
            raise SettingsError(
                f"{environment!r} is no environment name: use a lower-case letter, then up to 30 "
                "lower-case letters, digits or dashes."
            )
        if environment == LOCAL:
            raise SettingsError(
                "The environment 'local' is built in and needs no registering; choose another name."
            )
        save_environment(environment, read_settings(env_file, os.environ))
    except (SettingsError, ValidationError) as error:
        typer.echo(f"Nothing was saved. {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(
        f"The blocks of the environment {environment!r} are saved. Try them:\n"
        f'  python -c "from flows.user_page_views import user_page_views as f; '
        f"print(f(id='first', environment='{environment}'))\""
    )


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=HELP)(main)
    app()
