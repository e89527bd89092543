"""The same table with dlt, as its documentation teaches: files into PostgreSQL, then SQL.

dlt loads all logs as they are into tables of a dataset of their own; one SQL statement makes the
table of them. It checks nothing, and starts from the beginning each time.

    python tests/benchmarks/dlt_solution.py S3_ENDPOINT BUCKET DATABASE_URL
"""

import sys
import tempfile
from typing import Any

import dlt
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.sources.credentials import AwsCredentials
from dlt.sources.filesystem import readers

TABLE = """
DROP TABLE IF EXISTS public.dlt_user_page_views;
CREATE TABLE public.dlt_user_page_views (
    user_id bigint NOT NULL, email text, url text NOT NULL, count bigint NOT NULL,
    last_viewed timestamptz NOT NULL
);
WITH views AS (
    SELECT DISTINCT ts, url, user_id
    FROM dlt_logs.page_views
    WHERE environment = 'production'
),
counts AS (
    SELECT user_id, url, count(*) AS count, max(ts) AS last_viewed
    FROM views
    GROUP BY user_id, url
),
emails AS (
    SELECT DISTINCT ON (user_id) user_id, nullif(email, '') AS email
    FROM dlt_logs.user_updates
    WHERE environment = 'production'
    ORDER BY user_id, updated_at DESC, email COLLATE "C" DESC, name COLLATE "C" DESC
)
INSERT INTO public.dlt_user_page_views
SELECT user_id, email, url, count, last_viewed
FROM counts
LEFT JOIN emails USING (user_id);
ALTER TABLE public.dlt_user_page_views ADD PRIMARY KEY (user_id, url);
"""


def main(endpoint: str, bucket: str, database_url: str) -> None:
    aws = AwsCredentials(
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
        region_name="us-east-1",
        endpoint_url=endpoint,
    )
    path_style = {"config_kwargs": {"s3": {"addressing_style": "path"}}}

    def logs(file_glob: str) -> Any:
        return readers(f"s3://{bucket}", aws, file_glob=file_glob, kwargs=path_style)

    page_views = logs("PageViews/**/*.json").read_jsonl()
    page_views.apply_hints(columns={"ts": {"data_type": "timestamp"}})
    user_updates = logs("UserUpdates/**/*.csv").read_csv(
        header=None,
        names=["updated_at", "user_id", "email", "name", "environment"],
        keep_default_na=False,
    )
    user_updates.apply_hints(columns={"updated_at": {"data_type": "timestamp"}})

    credentials = PostgresCredentials(database_url)
    # dlt asks for a host; the one that a URL names in its query goes before this.
    credentials.host = credentials.host or "localhost"
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "benchmark",
            pipelines_dir=folder,
            destination=postgres(credentials),
            dataset_name="dlt_logs",
        )
        pipeline.run(
            [page_views.with_name("page_views"), user_updates.with_name("user_updates")],
            write_disposition="replace",
            refresh="drop_sources",
        )
        with pipeline.sql_client() as client:
            client.execute_sql(TABLE)


if __name__ == "__main__":
    main(*sys.argv[1:])
