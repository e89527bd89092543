"""The environment block: everything that a flow needs to know of where it runs."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from prefect.filesystems import LocalFileSystem
from pydantic import Field

from blocks.aws import AwsCredentials, S3Bucket
from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.described import Described

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SLUG = "user-page-views-environment"

# A throttled or unreachable bucket is asked for about a minute before a run gives up: the waits
# between requests are at random up to 1, 2, 4, 8, 16, 20, 20 seconds.
_ATTEMPTS = 8
_CONNECT_SECONDS = 10
_READ_SECONDS = 60


class LogsBucket(S3Bucket, Described):
    """The S3 bucket of an environment's logs.

    `S3Bucket` with credentials that keep a session token secret; left to itself it would load
    them as plain `AwsCredentials`, token and all.
    """

    _block_type_name = "User Page Views Logs Bucket"
    _block_type_slug = "user-page-views-logs-bucket"
    _description = "The bucket of one environment's logs; it is only read."

    # A union, because S3Bucket's own validator looks for the members of one; the first is taken.
    credentials: AwsSessionCredentials | AwsCredentials = Field(
        default_factory=AwsSessionCredentials,
        title="AWS credentials",
        description="Empty credentials stand for the machine's own AWS identity.",
    )


class ResultsBucket(S3Bucket, Described):
    """The S3 bucket of a results storage.

    A block type of its own beside `LogsBucket`: Prefect's server cannot read back the schema of a
    block that nests one bucket type twice (3.8.8: a TypeError at the second registration).
    """

    _block_type_name = "User Page Views Results Bucket"
    _block_type_slug = "user-page-views-results-bucket"
    _description = "The bucket where the results of one environment persist."

    credentials: AwsSessionCredentials | AwsCredentials = Field(
        default_factory=AwsSessionCredentials,
        title="AWS credentials",
        description="Empty credentials stand for the machine's own AWS identity.",
    )


class Environment(Described):
    """An environment: its logs bucket, results storage and database, and its settings.

    A block of ours, because no block of the ecosystem ties these together under one name; the
    parts are the ecosystem's own where they serve. `python -m blocks.register` creates it.
    """

    _block_type_name = "User Page Views Environment"
    _block_type_slug = SLUG
    _description = "Where logs, results and tables of one environment are, and how they are read."

    logs: LogsBucket = Field(
        title="Logs",
        description="The bucket of the logs; its folder holds UserUpdates/ and PageViews/. "
        "It is only read.",
    )
    results: ResultsBucket | LocalFileSystem = Field(
        title="Results storage",
        description="Where results persist. Who may write here decides what runs believe: grant "
        "it to the workers alone.",
    )
    database: Database = Field(
        title="Database", description="Where user_page_views and its ledger are published."
    )
    log_environment: str = Field(
        default="production",
        title="Log environment",
        description="The records to count: those whose field `environment` is exactly this.",
    )
    max_rejected_ratio: float = Field(
        default=0.05,
        ge=0,
        le=1,
        title="Most rejected lines",
        description="A run fails before it publishes when more than this share of the lines of "
        "either kind of log is rejected.",
    )
    max_expansion_ratio: int = Field(
        default=500,
        ge=1,
        title="Most expansion",
        description="A run fails when a compressed log object expands to more than this many times "
        "its stored size (and to more than 64 MiB): a decompression bomb. Usual logs reach 8 to "
        "30, the most repetitive ones 500; bombs of gzip 1,000 and of Zstandard 10,000.",
    )
    memory_limit: str = Field(
        default="1GB",
        title="Memory limit",
        description="DuckDB's memory in one task; beyond it, work spills to disk.",
    )
    threads: int = Field(
        default=2, ge=1, title="Threads", description="DuckDB's threads in one task."
    )
    spill_folder: str | None = Field(
        default=None,
        title="Spill folder",
        description="Where work spills to, on the machine of the worker; by default its folder for "
        "temporary files.",
    )
    notify_email: str | None = Field(
        default=None,
        title="Notify",
        description="Who is to be told of a failed run (kept for a later step).",
    )
    notify_from: str | None = Field(
        default=None,
        title="Notify from",
        description="The sender of such a message, known to Amazon SES.",
    )


def s3_client(bucket: S3Bucket) -> "S3Client":
    """A boto3 client for the bucket's credentials, endpoint and region."""
    return _client(bucket.credentials)


@lru_cache(maxsize=16)
def _client(credentials: AwsCredentials) -> "S3Client":
    # Kept, because boto3 takes a tenth of a second for each; other credentials, another client.
    parameters = credentials.aws_client_parameters
    endpoint = parameters.endpoint_url
    config = Config(
        retries={"mode": "standard", "max_attempts": _ATTEMPTS},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=32,
        # Servers other than AWS often know neither bucket names in host names nor checksums in
        # trailers.
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required" if endpoint else "when_supported",
        response_checksum_validation="when_required",
    )
    override: dict[str, Any] = parameters.get_params_override()
    if credentials.region_name:
        override["region_name"] = credentials.region_name
    elif endpoint:
        override["region_name"] = "us-east-1"
    if override.get("config"):
        config = config.merge(override["config"])
    override["config"] = config
    client: S3Client = credentials.get_boto3_session().client("s3", **override)
    return client


def prefix_of(bucket: S3Bucket) -> str:
    """The bucket's folder as the start of a key: empty, or ending in a slash."""
    folder = bucket.bucket_folder.strip("/")
    return f"{folder}/" if folder else ""
