"""The baseline: what a good engineer would write instead of using this service, in one file.

It downloads all logs, makes the table in one SQL statement and loads it into PostgreSQL. It checks
nothing, remembers nothing, and starts from the beginning each time.

    python tests/benchmarks/duckdb_script.py S3_ENDPOINT BUCKET DATABASE_URL
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import duckdb
import psycopg2
from botocore.config import Config

QUERY = """
COPY (
    WITH page_views AS (
        SELECT DISTINCT ts, url, user_id
        FROM read_json(
            '{folder}/PageViews/**',
            columns = {{
                ts: 'TIMESTAMP', url: 'VARCHAR', environment: 'VARCHAR', user_id: 'BIGINT'
            }},
            format = 'newline_delimited'
        )
        WHERE environment = 'production'
    ),
    user_updates AS (
        SELECT user_id, nullif(arg_max(email, (updated_at, email, name)), '') AS email
        FROM read_csv(
            '{folder}/UserUpdates/**',
            columns = {{
                updated_at: 'TIMESTAMP', user_id: 'BIGINT', email: 'VARCHAR', name: 'VARCHAR',
                environment: 'VARCHAR'
            }},
            header = false, delim = ',', quote = '"'
        )
        WHERE environment = 'production'
        GROUP BY user_id
    ),
    counts AS (
        SELECT user_id, url, count(*) AS count, max(ts) AS last_viewed
        FROM page_views
        GROUP BY user_id, url
    )
    SELECT user_id, email, url, count, last_viewed
    FROM counts
    LEFT JOIN user_updates USING (user_id)
) TO '{folder}/user_page_views.csv' (HEADER false)
"""


def main(endpoint: str, bucket: str, database_url: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    with tempfile.TemporaryDirectory() as folder:

        def download(key: str) -> None:
            target = Path(folder, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for block in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(2**20):
                    file.write(block)

        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page["Contents"]]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(download, keys))
        duckdb.execute("SET memory_limit = '8GB'")
        duckdb.execute(QUERY.format(folder=folder))
        with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            cursor.execute("DROP TABLE IF EXISTS user_page_views_new")
            cursor.execute(
                "CREATE TABLE user_page_views_new (user_id bigint NOT NULL, email text,"
                " url text NOT NULL, count bigint NOT NULL, last_viewed timestamptz NOT NULL)"
            )
            with Path(folder, "user_page_views.csv").open("rb") as file:
                cursor.copy_expert("COPY user_page_views_new FROM STDIN (FORMAT csv)", file, 2**20)
            cursor.execute("ALTER TABLE user_page_views_new ADD PRIMARY KEY (user_id, url)")
            cursor.execute("DROP TABLE IF EXISTS user_page_views")
            cursor.execute("ALTER TABLE user_page_views_new RENAME TO user_page_views")


if __name__ == "__main__":
    main(*sys.argv[1:])
