"""One environment of a test's own, seen from outside: put logs in, look at the tables."""

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

from blocks.register import save_environment
from blocks.settings import read_settings
from flows.summary import RunSummary
from flows.user_page_views import user_page_views

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Rows = dict[tuple[int, str], tuple[str | None, int, datetime]]
_numbers = itertools.count(1)
ACCESS_KEY = "AKIDTESTKEY"
SECRET_KEY = "the-secret-access-key-of-the-tests"


@dataclass(frozen=True)
class Services:
    """Where the session's services answer."""

    s3_endpoint: str
    postgres_url: str

    @cached_property
    def s3(self) -> S3Client:
        """A client of the endpoint that is not the product's."""
        return boto3.client(
            "s3",
            endpoint_url=self.s3_endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )


@dataclass
class World:
    """An environment: its settings as `blocks.register` reads them, and its services."""

    services: Services
    name: str
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, services: Services) -> World:
        """Make empty buckets, and settings with a schema that is not there yet."""
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
        """Save the environment's blocks, with some settings changed."""
        self.settings.update(changes)
        save_environment(self.name, read_settings(None, self.settings))

    def put(self, key: str, body: bytes | str) -> None:
        """Put a log object, its key relative to the logs prefix."""
        content = body.encode() if isinstance(body, str) else body
        prefix = self.settings.get("LOGS_PREFIX", "")
        self.services.s3.put_object(
            Bucket=self.settings["LOGS_BUCKET"], Key=prefix + key, Body=content
        )

    def delete(self, key: str) -> None:
        """Delete a log object."""
        self.services.s3.delete_object(Bucket=self.settings["LOGS_BUCKET"], Key=key)

    def empty(self, bucket: str, prefix: str = "") -> None:
        """Delete all objects of one of the buckets, below a prefix."""
        name = self.settings[f"{bucket}_BUCKET"]
        pages = self.services.s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=name, Prefix=prefix):
            for item in page.get("Contents", []):
                self.services.s3.delete_object(Bucket=name, Key=item["Key"])

    def stored(self, prefix: str = "") -> dict[str, bytes]:
        """What lies in the results storage."""
        name = self.settings["RESULTS_BUCKET"]
        listed = self.services.s3.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])
        return {
            item["Key"]: self.services.s3.get_object(Bucket=name, Key=item["Key"])["Body"].read()
            for item in listed
        }

    def run(self, id: str | int, *, refresh: bool = False) -> RunSummary:
        """Run the flow in this process."""
        return user_page_views(id=id, environment=self.name, refresh=refresh)

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL in the environment's schema and commit; give the rows, if there are any."""
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
        """The table, as the model gives it."""
        return {
            (user_id, url): (email, count, last_viewed.astimezone(UTC))
            for user_id, email, url, count, last_viewed in self.execute(
                "SELECT user_id, email, url, count, last_viewed FROM user_page_views"
            )
        }
