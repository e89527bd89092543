"""`python -m blocks.register NAME --env-file FILE`: create or update an environment's blocks, and try them."""

# Functions import what needs Prefect: wrong settings are reported at once, and telemetry is switched off before.

import os
from collections.abc import Callable
from pathlib import Path
from shutil import get_terminal_size
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.prefect_defaults import set_prefect_defaults
from blocks.settings import LOCAL, NAME, EnvironmentSettings, read_settings
from flows.errors import SettingsError

if TYPE_CHECKING:
    from blocks.environment import Environment

_SETTINGS = {
    "LOGS_BUCKET": "required: the bucket with UserUpdates/ and PageViews/",
    "LOGS_PREFIX": "the prefix of both in the bucket (default: none)",
    "RESULTS_BUCKET": "required: the bucket of the results storage",
    "RESULTS_PREFIX": "the prefix of the results storage (default: none)",
    "DATABASE_URL": "required: a URL that starts with postgresql://",
    "DATABASE_SCHEMA": "the schema of the tables, created if missing (default: the connection's current schema)",
    "AWS_ACCESS_KEY_ID": "an access key (default: the machine's own AWS identity)",
    "AWS_SECRET_ACCESS_KEY": "the secret of this access key",
    "AWS_SESSION_TOKEN": "the token of a temporary access key",
    "AWS_REGION": "the region of the buckets (default: boto3's own)",
    "S3_ENDPOINT_URL": "the URL of an S3 endpoint other than AWS",
    "LOG_ENVIRONMENT": "which records to count (default: production)",
    "MAX_REJECTED_RATIO": "a run fails if a larger share of the lines of either kind is rejected (default: 0.05)",
    "MAX_EXPANSION_RATIO": "a run fails if a compressed object expands more than this many times (default: 500)",
    "DUCKDB_MEMORY_LIMIT": "DuckDB's memory for the whole run; work that needs more spills to disk (default: 1GB)",
    "DUCKDB_THREADS": "the maximum number of threads of a run (default: every core that is available to it)",
    "DUCKDB_SPILL_FOLDER": "the folder to spill to (default: the temporary folder)",
    "NOTIFY_EMAIL": "who is notified if a run fails (not used yet)",
    "NOTIFY_FROM": "the sender of these messages, verified in Amazon SES",
}


_HELP = """Create or update the blocks of an environment, and try its buckets and its database. Safe to repeat.

The settings are read from the file and, if they are not there, from the environment variables of this process:

\b
{}

If a setting is missing or malformed, nothing is saved. If a bucket or the database refuses, the command fails.
"""


def help_text(width: int) -> str:
    """The help of the command, for a terminal of so many columns; typer wraps all but the list of settings."""
    wrapper = TextWrapper(width - 4, initial_indent="  ", subsequent_indent=" " * 25)
    return _HELP.format("\n".join(wrapper.fill(f"{name:23}{meaning}") for name, meaning in _SETTINGS.items()))


HELP = help_text(80)


def environment_of(settings: EnvironmentSettings) -> "Environment":
    """The environment's blocks, not saved yet."""
    from prefect_aws.client_parameters import AwsClientParameters

    from blocks.credentials import AwsSessionCredentials
    from blocks.database import Database
    from blocks.environment import Environment, LogsBucket, ResultsBucket

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


def save_environment(name: str, environment: "Environment", show: Callable[[str], None] = lambda line: None) -> None:
    """Save the blocks of an environment; `show` is called with a line about each."""
    # A block refers to the blocks that it nests, so they are saved before it.
    parts = {"-credentials": environment.logs.credentials, "-database": environment.database}
    blocks = {**parts, "-logs": environment.logs, "-results": environment.results, "": environment}
    for part, block in blocks.items():
        show(f"Saving {name}{part}")
        block.save(name + part, overwrite=True)


def main(
    environment: Annotated[
        str, typer.Argument(metavar="ENVIRONMENT", help="The name of the environment, such as staging.")
    ],
    env_file: Annotated[
        Path | None, typer.Option(help="A file of NAME=value lines; it overrides the environment variables.")
    ] = None,
) -> None:
    """Read the settings, save the blocks, try what they name, and say what to do next."""
    try:
        if NAME.fullmatch(environment) is None:
            raise SettingsError(
                f"{environment!r} is not a valid environment name: use a lower-case letter, then "
                "up to 30 lower-case letters, digits or dashes."
            )
        if environment == LOCAL:
            raise SettingsError("The environment 'local' is built in and cannot be registered. Choose another name.")
        settings = read_settings(env_file, os.environ)
        typer.echo("Importing Prefect")
        blocks = environment_of(settings)
        from flows.tasks.check import SECONDS, answers

        typer.echo("Connecting to Prefect; without PREFECT_API_URL, a temporary server starts in up to half a minute")
        save_environment(environment, blocks, typer.echo)
    except SettingsError as error:
        typer.echo(f"Nothing was saved. {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Trying the buckets and the database, for at most {SECONDS} seconds")
    found = list(answers(blocks))
    for good, sentence in found:
        typer.echo(f"  {sentence}", err=not good)
    if not all(good for good, _ in found):
        typer.echo(f"Saved the environment {environment!r}, but it cannot be used yet: see above.", err=True)
        raise typer.Exit(1)
    typer.echo(
        f"Saved the environment {environment!r}. Try it:\n"
        f'  python -c "from flows.user_page_views import user_page_views as f; '
        f"print(f(id='first', environment='{environment}'))\""
    )


if __name__ == "__main__":
    set_prefect_defaults()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=help_text(min(80, get_terminal_size().columns)))(main)
    app()
