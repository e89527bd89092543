"""The environment: a block that contains everything a flow needs to know about where it runs."""

from abc import ABC
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConfigParseError, ProfileNotFound
from prefect.filesystems import LocalFileSystem
from prefect_aws import AwsCredentials, S3Bucket
from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from blocks.cached_schema import CachedSchemaBlock
from blocks.cores import usable_cores
from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from flows.errors import SettingsError, original_forgotten

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SLUG = "user-page-views-environment"

# Requests to a throttled or unreachable bucket are retried for about a minute: boto3 waits a random
# time of up to 1, 2, 4, 8, 16, 20 and 20 seconds between attempts.
_ATTEMPTS = 8
_READ_SECONDS = 60


class _Bucket(S3Bucket, CachedSchemaBlock, ABC):
    """An `S3Bucket` that keeps the session token of its credentials secret.

    `S3Bucket` itself would load the credentials as plain `AwsCredentials`.
    """

    _logo_url = None  # type: ignore[assignment]

    bucket_name: str = Field(title="Bucket", description="The name of the bucket, without s3:// and without a prefix.")
    # The form does not offer AwsCredentials, which documents may refer to. S3Bucket's own validator requires a union.
    credentials: AwsSessionCredentials | SkipJsonSchema[AwsCredentials] = Field(
        default_factory=AwsSessionCredentials,
        title="AWS credentials",
        description="If empty, the machine's own AWS identity is used.",
    )
    bucket_folder: str = Field(default="", title="Prefix", description="What the keys begin with. If empty: anything.")


class LogsBucket(_Bucket):
    """The S3 bucket that contains an environment's logs."""

    model_config = ConfigDict(title="Logs bucket")
    _block_type_name = "User Page Views Logs Bucket"
    _block_type_slug = "user-page-views-logs-bucket"
    _description = "The bucket that contains the logs of an environment. It is only read."


class ResultsBucket(_Bucket):
    """The S3 bucket of an environment's results storage.

    It is a separate type because Prefect's server cannot read the schema of a block that nests the same bucket type
    twice (a TypeError at the second registration, seen in Prefect 3.8.8).
    """

    model_config = ConfigDict(title="Results bucket")
    _block_type_name = "User Page Views Results Bucket"
    _block_type_slug = "user-page-views-results-bucket"
    _description = "The bucket that stores the results of an environment."


class Environment(CachedSchemaBlock):
    """An environment: its logs bucket, results storage and database, and its settings.

    `python -m blocks.register` creates it.
    """

    _block_type_name = "User Page Views Environment"
    _block_type_slug = SLUG
    _description = "The logs, results storage, database and settings of one environment."

    logs: LogsBucket = Field(
        title="Logs bucket",
        description="The bucket that contains UserUpdates/ and PageViews/, under its prefix. It is only read.",
    )
    # The form does not offer a folder, which only the environment `local` uses.
    results: ResultsBucket | SkipJsonSchema[LocalFileSystem] = Field(
        title="Results bucket",
        description="Where results are stored. Runs trust what they find here: grant write access to the workers only.",
    )
    database: Database = Field(title="Database", description="Where user_page_views is published.")
    log_environment: str = Field(
        default="production",
        title="Log environment",
        description="Only records whose `environment` field has exactly this value are counted.",
    )
    max_rejected_ratio: float = Field(
        default=0.05,
        ge=0,
        le=1,
        title="Largest share of rejected lines",
        description="If a larger share of the lines of either kind is rejected, the run fails before it publishes.",
    )
    max_expansion_ratio: int = Field(
        default=500,
        ge=1,
        title="Largest expansion of a compressed object",
        description="If a compressed log object expands to more than this many times its stored size, and to more "
        "than 64 MiB, the run fails: the object may be a decompression bomb. Typical logs expand 8 to 30 times and "
        "very repetitive logs up to 500 times; gzip bombs expand 1,000 times and Zstandard bombs 10,000 times.",
    )
    memory_limit: str = Field(
        default="1GB",
        title="Memory limit",
        description="DuckDB's memory for the whole run, shared among its tasks. Work that needs more spills to disk.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        title="Threads",
        description="The maximum number of threads of a run. If empty, a run uses every core that is available to it.",
    )
    spill_folder: str | None = Field(
        default=None,
        title="Spill folder",
        description="The folder on the worker's machine to which DuckDB spills. If empty, the "
        "machine's temporary folder is used.",
    )
    notify_email: str | None = Field(
        default=None, title="Notification recipient", description="Who is notified if a run fails. Not used yet."
    )
    notify_from: str | None = Field(
        default=None,
        title="Notification sender",
        description="The sender of these messages, verified in Amazon SES. Not used yet.",
    )

    def thread_count(self) -> int:
        """How many threads a run may use on this machine."""
        cores = usable_cores()
        return min(cores, self.threads or cores)


def s3_client(bucket: S3Bucket) -> "S3Client":
    """A boto3 client with the bucket's credentials, endpoint and region.

    Raises:
        SettingsError: These are invalid or, if the bucket has no keys, the machine's own AWS settings are.
    """
    with original_forgotten():
        return _client(bucket.credentials)


@lru_cache(maxsize=16)
def _client(credentials: AwsCredentials) -> "S3Client":
    # Cached by credentials, because boto3 takes a tenth of a second to create a client.
    parameters = credentials.aws_client_parameters
    endpoint = parameters.endpoint_url
    config = Config(
        retries={"mode": "standard", "max_attempts": _ATTEMPTS},
        connect_timeout=10,
        read_timeout=_READ_SECONDS,
        max_pool_connections=32,
        # Many servers other than AWS support neither bucket names in host names nor checksums in
        # trailers.
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required" if endpoint else "when_supported",
        response_checksum_validation="when_required",
    )
    override: dict[str, Any] = parameters.get_params_override()
    override["config"] = config.merge(override.get("config", Config()))
    if region := credentials.region_name or (endpoint and "us-east-1"):
        override["region_name"] = region
    try:
        own = AwsSessionCredentials.model_validate(credentials.model_dump(include=set(AwsCredentials.model_fields)))
        client: S3Client = own.get_boto3_session().client("s3", **override)
    except (BotoCoreError, ClientError, ValueError) as error:
        # Other messages may quote secrets, such as the output of a command that gives credentials.
        shown = error if isinstance(error, ConfigParseError | ProfileNotFound) else type(error).__name__
        raise SettingsError(
            f"The AWS settings cannot be used ({shown}): correct AWS_REGION and S3_ENDPOINT_URL or, if the environment "
            "has no keys, this machine's AWS_PROFILE, ~/.aws/config and AWS_... variables; or register "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: with keys, nothing else of AWS on the machine is used."
        ) from None
    return client


def prefix_of(bucket: S3Bucket) -> str:
    """The bucket's folder as a key prefix: empty, or ending in a slash."""
    folder = bucket.bucket_folder.strip("/")
    return f"{folder}/" if folder else ""
