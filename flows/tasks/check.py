"""What an environment's buckets and its database answer, tried once when the environment is registered."""

import time
from collections.abc import Iterator
from multiprocessing import TimeoutError as NotYet
from multiprocessing.pool import ThreadPool

from prefect_aws import S3Bucket
from sqlalchemy import func, select

from blocks.environment import Environment, prefix_of, s3_client
from flows.errors import PipelineError
from flows.storage.s3_errors import explained
from flows.tasks.places import warehouse_of

SECONDS = 10


def answers(environment: Environment) -> Iterator[tuple[bool, str]]:
    """Whether each part of an environment answers, and a sentence about it; at most ten seconds in all."""
    # A connection's timeouts are not enough: they count for each address and each read, and not for the DNS.
    end = time.monotonic() + SECONDS
    assert isinstance(environment.results, S3Bucket)
    pool = ThreadPool(3)  # of daemons: one that hangs does not keep the process alive
    started = {
        "logs bucket": pool.apply_async(_first_key, ("logs", environment.logs)),
        "results bucket": pool.apply_async(_first_key, ("results", environment.results)),
        "database": pool.apply_async(_schema, (environment,)),
    }
    pool.close()
    for what, answer in started.items():
        try:
            yield True, answer.get(max(0, end - time.monotonic()))
        except NotYet:
            yield False, f"The {what} did not answer within {SECONDS} seconds: check its address and the network."
        except PipelineError as error:
            yield False, str(error)


def _first_key(name: str, bucket: S3Bucket) -> str:
    bucket = bucket.model_copy(deep=True)
    # Otherwise requests would be tried again for a minute.
    bucket.credentials.aws_client_parameters.config = {"retries": {"mode": "standard", "total_max_attempts": 2}}
    prefix = prefix_of(bucket)
    with explained(bucket.bucket_name, f"list the {name}"):
        page = s3_client(bucket).list_objects_v2(Bucket=bucket.bucket_name, Prefix=prefix, MaxKeys=1)
    keys = [item["Key"] for item in page.get("Contents", [])]
    found = f"its first key is {keys[0]!r}" if keys else f"it has no key under {prefix!r}" if prefix else "it is empty"
    return f"The {name} bucket {bucket.bucket_name!r} answers: {found}."


def _schema(environment: Environment) -> str:
    with warehouse_of(environment.database) as warehouse, warehouse.engine.connect() as connection:
        user, database = connection.execute(select(func.current_user(), func.current_database())).one()
    return f"The database {database!r} answers: {user!r} publishes into its schema {warehouse.tables.schema!r}."
