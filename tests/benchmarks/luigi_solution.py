"""The same table with Luigi, written as its tutorial teaches: tasks, targets, a `CopyToTable`.

Each log object is an external task; two tasks read them line by line and leave a file each, which
the last task copies into PostgreSQL. It checks nothing, and starts from the beginning each time.

    python tests/benchmarks/luigi_solution.py S3_ENDPOINT BUCKET DATABASE_URL
"""

import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import luigi
import psycopg2
from botocore.config import Config
from luigi.contrib.postgres import CopyToTable
from luigi.contrib.s3 import S3Client, S3Target
from psycopg2.extensions import parse_dsn


class Logs(luigi.Config):
    """Where the logs lie."""

    endpoint = luigi.Parameter()
    bucket = luigi.Parameter()

    def client(self) -> S3Client:
        return S3Client(
            endpoint_url=self.endpoint,
            aws_access_key_id="benchmark",
            aws_secret_access_key="benchmark",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )


class Warehouse(luigi.Config):
    """Where the table goes."""

    url = luigi.Parameter()


class LogObject(luigi.ExternalTask):
    """A log object, which others put into the bucket."""

    path = luigi.Parameter()

    def output(self) -> S3Target:
        return S3Target(self.path, client=Logs().client())


def log_objects(prefix: str) -> list[LogObject]:
    return [LogObject(path) for path in Logs().client().listdir(f"s3://{Logs().bucket}/{prefix}")]


def instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class LatestEmails(luigi.Task):
    """The latest email of each user."""

    folder = luigi.Parameter()

    def requires(self) -> list[LogObject]:
        return log_objects("UserUpdates")

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(f"{self.folder}/latest_emails.csv")

    def run(self) -> None:
        latest: dict[int, tuple[datetime, str, str]] = {}
        for target in self.input():
            with target.open("r") as file:
                for updated_at, user_id, email, name, environment in csv.reader(file):
                    if environment == "production":
                        update = (instant(updated_at), email, name)
                        user = int(user_id)
                        if user not in latest or latest[user] < update:
                            latest[user] = update
        with self.output().open("w") as file:
            writer = csv.writer(file)
            for user, (_, email, _) in latest.items():
                writer.writerow((user, email))


class PageViewCounts(luigi.Task):
    """How often each user viewed each URL, and when last."""

    folder = luigi.Parameter()

    def requires(self) -> list[LogObject]:
        return log_objects("PageViews")

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(f"{self.folder}/page_view_counts.csv")

    def run(self) -> None:
        views = set()
        for target in self.input():
            with target.open("r") as file:
                for line in file:
                    view = json.loads(line)
                    if view["environment"] == "production":
                        views.add((instant(view["ts"]), view["url"], int(view["user_id"])))
        counts: dict[tuple[int, str], tuple[int, datetime]] = {}
        for ts, url, user_id in views:
            count, last_viewed = counts.get((user_id, url), (0, ts))
            counts[user_id, url] = (count + 1, max(last_viewed, ts))
        with self.output().open("w") as file:
            writer = csv.writer(file)
            for (user_id, url), (count, last_viewed) in counts.items():
                writer.writerow((user_id, url, count, last_viewed.isoformat()))


class UserPageViews(CopyToTable):
    """The table in PostgreSQL."""

    folder = luigi.Parameter()

    table = "luigi_user_page_views"
    columns = (
        ("user_id", "bigint NOT NULL"),
        ("email", "text"),
        ("url", "text NOT NULL"),
        ("count", "bigint NOT NULL"),
        ("last_viewed", "timestamptz NOT NULL"),
    )

    @property
    def host(self) -> Any:
        return parse_dsn(Warehouse().url).get("host", "localhost")

    @property
    def port(self) -> Any:
        return parse_dsn(Warehouse().url).get("port")

    @property
    def database(self) -> Any:
        return parse_dsn(Warehouse().url).get("dbname")

    @property
    def user(self) -> Any:
        return parse_dsn(Warehouse().url).get("user")

    @property
    def password(self) -> Any:
        return parse_dsn(Warehouse().url).get("password")

    def requires(self) -> dict[str, luigi.Task]:
        return {"emails": LatestEmails(self.folder), "counts": PageViewCounts(self.folder)}

    def rows(self) -> Iterator[tuple[str, str | None, str, str, str]]:
        with self.input()["emails"].open("r") as file:
            emails = dict(csv.reader(file))
        with self.input()["counts"].open("r") as file:
            for user_id, url, count, last_viewed in csv.reader(file):
                yield user_id, emails.get(user_id) or None, url, count, last_viewed

    def post_copy(self, connection: Any) -> None:
        connection.cursor().execute(f"ALTER TABLE {self.table} ADD PRIMARY KEY (user_id, url)")


def main(endpoint: str, bucket: str, database_url: str) -> None:
    # `table_updates` is where Luigi remembers what it has copied.
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {UserPageViews.table}, table_updates")
    config = luigi.configuration.get_config()
    config.set("Logs", "endpoint", endpoint)
    config.set("Logs", "bucket", bucket)
    # The parser of the configuration reads a % as the start of a reference.
    config.set("Warehouse", "url", database_url.replace("%", "%%"))
    with tempfile.TemporaryDirectory() as folder:
        if not luigi.build([UserPageViews(folder)], local_scheduler=True):
            sys.exit("Luigi did not finish")


if __name__ == "__main__":
    main(*sys.argv[1:])
