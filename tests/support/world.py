"""An environment for one test, seen from outside: put logs in, look at the tables."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import psycopg2
from botocore.config import Config
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

from blocks.credentials import AwsSessionCredentials
from blocks.environment import LogsBucket, s3_client
from blocks.register import environment_of
from blocks.settings import read_settings
from flows.summary import RunSummary
from flows.user_page_views import user_page_views
from tests.support.documents import save_quickly

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Rows = dict[tuple[int, str], tuple[str | None, int, datetime]]
_numbers = itertools.count(1)
ACCESS_KEY = "AKIDTESTKEY"
SECRET_KEY = "the-secret-access-key-of-the-tests"


@dataclass(frozen=True)
class Services:
    """The addresses of the session's services."""

    s3_endpoint: str
    postgres_url: str

    @cached_property
    def s3(self) -> S3Client:
        """A client of the endpoint, independent of the product's."""
        return boto3.client(
            "s3",
            endpoint_url=self.s3_endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )


def product_client(endpoint: str, config: dict[str, Any] | None = None) -> S3Client:
    """The product's own client of an endpoint."""
    credentials = AwsSessionCredentials(
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SecretStr(SECRET_KEY),
        aws_client_parameters=AwsClientParameters(endpoint_url=endpoint, config=config),
    )
    return s3_client(LogsBucket(bucket_name="any", credentials=credentials))


@dataclass
class World:
    """An environment: its settings as `blocks.register` reads them, and its services."""

    services: Services
    name: str
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, services: Services) -> World:
        """Empty buckets, and settings with a schema that does not exist yet."""
        name = f"env-{os.getpid()}-{next(_numbers)}"
        for bucket in ("logs", "results"):
            services.s3.create_bucket(Bucket=f"{name}-{bucket}")
        settings = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "S3_ENDPOINT_URL": services.s3_endpoint,
            "LOGS_BUCKET": f"{name}-logs",
            "RESULTS_BUCKET": f"{name}-results",
            "DATABASE_URL": services.postgres_url,
            "DATABASE_SCHEMA": name.replace("-", "_"),
        }
        return cls(services, name, settings)

    def register(self, **changes: str) -> None:
        """Save the environment, with some settings changed."""
        self.settings.update(changes)
        save_quickly(self.name, environment_of(read_settings(None, self.settings)))

    def put(self, key: str, body: bytes | str) -> None:
        """Put a log object; its key is relative to the logs prefix."""
        content = body.encode() if isinstance(body, str) else body
        prefix = self.settings.get("LOGS_PREFIX", "")
        self.services.s3.put_object(Bucket=self.settings["LOGS_BUCKET"], Key=prefix + key, Body=content)

    def delete(self, key: str) -> None:
        """Delete a log object."""
        self.services.s3.delete_object(Bucket=self.settings["LOGS_BUCKET"], Key=key)

    def empty(self, bucket: str, prefix: str = "") -> None:
        """Delete all objects of one of the buckets, under a prefix."""
        name = self.settings[f"{bucket}_BUCKET"]
        pages = self.services.s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=name, Prefix=prefix):
            for item in page.get("Contents", []):
                self.services.s3.delete_object(Bucket=name, Key=item["Key"])

    def store(self, name: str, body: bytes) -> None:
        """Put an object into the results storage."""
        self.services.s3.put_object(Bucket=self.settings["RESULTS_BUCKET"], Key=name, Body=body)

    def stored(self, prefix: str = "") -> dict[str, bytes]:
        """The objects in the results storage."""
        name = self.settings["RESULTS_BUCKET"]
        listed = self.services.s3.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])
        return {
            item["Key"]: self.services.s3.get_object(Bucket=name, Key=item["Key"])["Body"].read() for item in listed
        }

    def run(self, id: str | int, *, refresh: bool = False) -> RunSummary:
        """Run the flow in this process."""
        return user_page_views(id=id, environment=self.name, refresh=refresh)

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL in the environment's schema and commit; return the rows, if there are any."""
        connection = psycopg2.connect(self.settings["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                schema = self.settings.get("DATABASE_SCHEMA", "public")
                cursor.execute("SELECT set_config('search_path', %s, false)", [schema])
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def rows(self) -> Rows:
        """The table, in the form of the model's."""
        return {
            (user_id, url): (email, count, last_viewed.astimezone(UTC))
            for user_id, email, url, count, last_viewed in self.execute(
                "SELECT user_id, email, url, count, last_viewed FROM user_page_views"
            )
        }
