"""`python -m blocks.register NAME --env-file FILE`: create or update an environment's blocks."""

import os
from pathlib import Path
from typing import Annotated

import typer
from prefect_aws.client_parameters import AwsClientParameters

from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.environment import Environment, LogsBucket, ResultsBucket
from blocks.load import LOCAL, NAME
from blocks.settings import EnvironmentSettings, read_settings
from flows.errors import SettingsError

HELP = """Create or update the blocks of an environment. Safe to repeat.

The settings are read from the file and, if they are not there, from the
environment variables of this process:

\b
  LOGS_BUCKET          required: the bucket with UserUpdates/ and PageViews/
  LOGS_PREFIX          the prefix of both in the bucket (default: none)
  RESULTS_BUCKET       required: the bucket of the results storage
  RESULTS_PREFIX       the prefix of the results storage (default: none)
  DATABASE_URL         required: postgresql://USER:PASSWORD@HOST:PORT/DATABASE
  DATABASE_SCHEMA      the schema of the tables, created if missing
                       (default: the connection's current schema)
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
                       credentials (default: the machine's own AWS identity)
  AWS_REGION           the region of the buckets (default: boto3's own)
  S3_ENDPOINT_URL      the URL of an S3 endpoint other than AWS
  LOG_ENVIRONMENT      which records to count (default: production)
  MAX_REJECTED_RATIO   a run fails if a larger share of the lines of either
                       kind is rejected (default: 0.05)
  MAX_EXPANSION_RATIO  a run fails if a compressed object expands to more than
                       this many times its size (default: 500)
  DUCKDB_MEMORY_LIMIT  DuckDB's memory for the whole run; work that needs more
                       spills to disk (default: 1GB)
  DUCKDB_THREADS       the maximum number of threads of a run (default: every
                       core that is available to it)
  DUCKDB_SPILL_FOLDER  the folder to spill to (default: the temporary folder)
  NOTIFY_EMAIL         who is notified if a run fails (not used yet)
  NOTIFY_FROM          the sender of these messages, verified in Amazon SES

If a setting is missing or malformed, nothing is saved.
"""


def environment_of(settings: EnvironmentSettings) -> Environment:
    """The environment's blocks, not saved yet."""
    credentials = AwsSessionCredentials(
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key,
        aws_session_token=settings.aws_session_token,
        region_name=settings.aws_region,
        aws_client_parameters=AwsClientParameters(endpoint_url=settings.s3_endpoint_url),
    )
    return Environment(
        logs=LogsBucket(bucket_name=settings.logs_bucket, bucket_folder=settings.logs_prefix, credentials=credentials),
        results=ResultsBucket(
            bucket_name=settings.results_bucket, bucket_folder=settings.results_prefix, credentials=credentials
        ),
        database=Database(url=settings.database_url, schema_name=settings.database_schema),
        log_environment=settings.log_environment,
        max_rejected_ratio=settings.max_rejected_ratio,
        max_expansion_ratio=settings.max_expansion_ratio,
        memory_limit=settings.duckdb_memory_limit,
        threads=settings.duckdb_threads,
        spill_folder=settings.duckdb_spill_folder,
        notify_email=settings.notify_email,
        notify_from=settings.notify_from,
    )


def save_environment(name: str, environment: Environment) -> None:
    """Save the blocks of an environment."""
    # A block refers to the blocks that it nests, so they are saved before it.
    environment.logs.credentials.save(name, overwrite=True)
    environment.logs.save(f"{name}-logs", overwrite=True)
    environment.results.save(f"{name}-results", overwrite=True)
    environment.database.save(name, overwrite=True)
    environment.save(name, overwrite=True)


def main(
    environment: Annotated[
        str, typer.Argument(metavar="ENVIRONMENT", help="The name of the environment, such as staging.")
    ],
    env_file: Annotated[
        Path | None, typer.Option(help="A file of NAME=value lines; it overrides the environment variables.")
    ] = None,
) -> None:
    """Read the settings, save the blocks, and say what to do next."""
    try:
        if NAME.fullmatch(environment) is None:
            raise SettingsError(
                f"{environment!r} is not a valid environment name: use a lower-case letter, then "
                "up to 30 lower-case letters, digits or dashes."
            )
        if environment == LOCAL:
            raise SettingsError("The environment 'local' is built in and cannot be registered. Choose another name.")
        settings = read_settings(env_file, os.environ)
    except SettingsError as error:
        typer.echo(f"Nothing was saved. {error}", err=True)
        raise typer.Exit(1) from None
    save_environment(environment, environment_of(settings))
    typer.echo(
        f"Saved the environment {environment!r}. Try it:\n"
        f'  python -c "from flows.user_page_views import user_page_views as f; '
        f"print(f(id='first', environment='{environment}'))\""
    )


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=HELP)(main)
    app()
