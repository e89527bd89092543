"""What every case needs: logs in buckets, the script, and environments of the service to run."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import boto3
import psycopg2
from botocore.config import Config

from tests.benchmarks.container import fresh_container
from tests.benchmarks.data import write_page_views, write_user_updates
from tests.benchmarks.servers import Servers
from tests.benchmarks.sizes import Size
from tests.benchmarks.timed import ROOT, Timed, timed, together

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOGS = "logs"
_ids = itertools.count(1)


@dataclass(frozen=True)
class Bench:
    """The services, the amount of data, the folder that keeps the logs, the number of rounds."""

    servers: Servers
    size: Size
    folder: Path
    rounds: int

    @cached_property
    def s3(self) -> S3Client:
        """A client of the S3 endpoint."""
        return boto3.client(
            "s3",
            endpoint_url=self.servers.endpoint,
            aws_access_key_id="benchmark",
            aws_secret_access_key="benchmark",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=256),
        )

    def keys(self, bucket: str) -> list[str]:
        """The keys of all objects in a bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def empty(self, bucket: str) -> None:
        """Delete all objects of a bucket."""
        for key in self.keys(bucket):
            self.s3.delete_object(Bucket=bucket, Key=key)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement; return its rows, if it has any."""
        connection = psycopg2.connect(self.servers.database_url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def reset(self) -> None:
        """Empty all buckets and the database."""
        for bucket in self.s3.list_buckets()["Buckets"]:
            self.empty(bucket["Name"])
        ours = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
        for (schema,) in self.sql(f"SELECT nspname FROM pg_namespace WHERE {ours}"):
            self.sql(f'DROP SCHEMA "{schema}" CASCADE')
        self.sql("CREATE SCHEMA public")

    def page_views(self, day: int) -> Path:
        """The folder of a day's page views, which are made once."""
        return self._made(f"page-views-{day:03}", lambda at: write_page_views(at, self.size, day))

    def user_updates(self, day: int, realistic: bool = False) -> Path:
        """The folder of a day's user updates, which are made once."""
        kind = "realistic" if realistic else "random"
        return self._made(
            f"{kind}-updates-{day:03}", lambda at: write_user_updates(at, self.size, day, realistic=realistic)
        )

    def _made(self, name: str, write: Callable[[Path], None]) -> Path:
        folder, unfinished = self.folder / name, self.folder / "unfinished"
        if not folder.exists():
            rmtree(unfinished, ignore_errors=True)
            write(unfinished)
            unfinished.rename(folder)
        return folder

    def fill(self, days: range, logs: str = LOGS, *, realistic: bool = False) -> None:
        """Put days into a bucket of logs."""
        for day in days:
            self.put(self.page_views(day), logs)
            self.put(self.user_updates(day, realistic), logs)

    def put(self, folder: Path, bucket: str) -> None:
        """Put all files below a folder into a bucket."""
        for path in (path for path in folder.rglob("*") if path.is_file()):
            key = path.relative_to(folder).as_posix()
            self.s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    def new_days(self, first: int, run: Callable[[], Timed], **options: Any) -> Callable[[], Timed]:
        """As `run`, but each call first puts the next day into the logs, from day `first` on."""
        days = itertools.count(first)

        def run_on_new_day() -> Timed:
            day = next(days)
            self.fill(range(day, day + 1), **options)
            return run()

        return run_on_new_day

    def in_turn(self, *runs: Callable[[], Timed]) -> list[Timed]:
        """Run each as often as there are rounds, in turn."""
        found = [[run() for run in runs] for _ in range(self.rounds)]
        return [together(*some) for some in zip(*found, strict=True)]

    def settle(self) -> None:
        """Write to the disks what waits to be written; otherwise the next run would wait for it."""
        self.sql("CHECKPOINT")
        os.sync()

    def script(self, logs: str = LOGS) -> Timed:
        """Run the DuckDB script over a bucket of logs."""
        where = (self.servers.endpoint, logs, self.servers.database_url)
        return self.python("tests/benchmarks/duckdb_script.py", *where)

    def python(self, *arguments: str) -> Timed:
        """Run Python on disks at rest."""
        self.settle()
        return timed([sys.executable, *arguments], self.servers.variables)

    def place(self, name: str, logs: str = LOGS, endpoint: str | None = None, **settings: str) -> Place:
        """Register an environment, with its own results storage and schema and more settings."""
        place = Place(self, name, logs)
        for bucket in {logs, place.results} - {b["Name"] for b in self.s3.list_buckets()["Buckets"]}:
            self.s3.create_bucket(Bucket=bucket)
        settings |= {
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_REGION": "us-east-1",
            "S3_ENDPOINT_URL": endpoint or self.servers.endpoint,
            "LOGS_BUCKET": logs,
            "RESULTS_BUCKET": place.results,
            "DATABASE_URL": self.servers.database_url,
            "DATABASE_SCHEMA": name,
        }
        variables = {**self.servers.variables, **settings}
        command = [sys.executable, "-m", "blocks.register", name]
        subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True)
        return place


@dataclass(frozen=True)
class Place:
    """An environment of the service; its schema has its name."""

    bench: Bench
    name: str
    logs: str

    @property
    def results(self) -> str:
        """The bucket of its results storage."""
        return f"results-{self.name}"

    def run(self, id: str | None = None, cores: list[int] | None = None) -> Timed:
        """Run the service, under a new id unless one is given, on all cores or on some."""
        self.bench.settle()
        only = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
        return timed([*only, *self._command(id)], self.bench.servers.variables)

    def run_in_fresh_container(self) -> Timed:
        """Run the service under a new id, where nothing is cached."""
        self.bench.settle()
        with fresh_container(self.bench.servers.variables) as (code, variables):
            return timed(self._command(), variables, code)

    def first(self, cores: list[int] | None = None) -> Timed:
        """Run the service on an empty results storage and database."""
        self.bench.empty(self.results)
        self.bench.sql(f"DROP SCHEMA IF EXISTS {self.name} CASCADE")
        return self.run(cores=cores)

    def _command(self, id: str | None = None) -> list[str]:
        id = id or f"run-{next(_ids)}"
        return [sys.executable, "-m", "tests.benchmarks.one_run", id, self.name]

    def check(self, theirs: str = "public.user_page_views") -> None:
        """Compare the service's table with the script's (or another), row for row.

        Raises:
            AssertionError: They differ.
        """
        ours, columns = f"{self.name}.user_page_views", "user_id, email, url, count, last_viewed"
        for one, other in ((ours, theirs), (theirs, ours)):
            rest = f"SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other}"
            [(missing,)] = self.bench.sql(f"SELECT count(*) FROM ({rest}) AS missing")
            if missing:
                raise AssertionError(f"{missing:,} rows of {one} are not in {other}")
