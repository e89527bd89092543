"""What bounds a figure from below: the requests and the rows that nothing can do without."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from tests.benchmarks.site import LOGS, SCHEMA, Site
from tests.benchmarks.timed import Timed

_THREADS = 16
_KEY = "user_id, url"


def bare_gets(site: Site) -> Timed:
    """Get all logs, on as many threads as the service has for two units, and look at none."""
    pages = site.s3.get_paginator("list_objects_v2").paginate(Bucket=LOGS)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]

    def get(key: str) -> int:
        return len(site.s3.get_object(Bucket=LOGS, Key=key)["Body"].read())

    start = time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        sum(pool.map(get, keys))
    return Timed([time.perf_counter() - start], 0)


def keep_before(site: Site) -> None:
    """Copy the table as it is into `before`."""
    site.sql(f"DROP TABLE IF EXISTS {SCHEMA}.before")
    site.sql(f"CREATE TABLE {SCHEMA}.before AS TABLE {SCHEMA}.user_page_views")


def bare_update(site: Site) -> tuple[Timed, int]:
    """Change the rows of `before` that the last run has changed, in one statement.

    Both tables lie ready in the order of the key, with room on each page as in the service's; new
    rows are left out.

    Returns:
        The time to the commit, and how many rows.
    """
    with psycopg2.connect(site.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bare WITH (fillfactor = 75) AS"
            f" SELECT * FROM {SCHEMA}.before ORDER BY {_KEY};"
            f" ALTER TABLE bare ADD PRIMARY KEY ({_KEY})"
        )
        cursor.execute(
            f"CREATE TABLE differing AS SELECT {_KEY}, new.email, new.count, new.last_viewed"
            f" FROM {SCHEMA}.before AS old JOIN {SCHEMA}.user_page_views AS new USING ({_KEY})"
            " WHERE (old.email, old.count, old.last_viewed)"
            f" IS DISTINCT FROM (new.email, new.count, new.last_viewed) ORDER BY {_KEY}"
        )
        connection.commit()
        cursor.execute("ANALYZE bare; ANALYZE differing")
        connection.commit()
        start = time.perf_counter()
        cursor.execute(
            "SET LOCAL work_mem = '128MB'; UPDATE bare SET email = new.email, count = new.count,"
            " last_viewed = new.last_viewed FROM differing AS new"
            " WHERE bare.user_id = new.user_id AND bare.url = new.url"
        )
        rows = cursor.rowcount
        connection.commit()
        seconds = time.perf_counter() - start
        cursor.execute("DROP TABLE bare, differing")
        connection.commit()
    return Timed([seconds], 0), rows
