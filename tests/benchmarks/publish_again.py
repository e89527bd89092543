"""The rows of the last run published once more, into tables of their own.

`python -m tests.benchmarks.publish_again DATABASE_URL` prints the seconds.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from blocks.load import load_environment
from flows.tasks.places import results_of
from flows.tasks.summaries import fetch_file
from flows.warehouse.connect import connected
from flows.warehouse.ledger import find_latest, next_listing, prepare
from flows.warehouse.publish import Publication, Whole, publish
from flows.warehouse.tables import ACCOUNT, Tables
from flows.warehouse.views_stream import ViewFiles
from flows.warehouse.warehouse import Warehouse
from tests.benchmarks.site import ENVIRONMENT, SCHEMA

AGAIN = "again"


def main(url: str) -> None:
    storage = results_of(load_environment(ENVIRONMENT))
    with TemporaryDirectory() as folder, connected(url) as engine:
        latest = find_latest(Warehouse(engine, Tables(SCHEMA)), "user-page-views")
        assert latest is not None
        made = latest.stages["summarise"]
        rows, urls, users = (
            fetch_file(storage, made, part, Path(folder)) for part in ("rows", "urls", "latest")
        )
        assert rows is not None
        assert urls is not None
        assert users is not None
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA IF EXISTS {AGAIN} CASCADE"))
        warehouse = Warehouse(engine, Tables(AGAIN))
        prepare(warehouse)
        publication = Publication(
            flow="again",
            id="again",
            started_at=datetime.now(UTC),
            listing=next_listing(warehouse),
            fingerprint="",
            account={f"{k}_{part}": 0 for k in ("page_views", "user_updates") for part in ACCOUNT},
            content=Whole(ViewFiles(rows, urls, users), made["count"], None),
            stages={},
            summary={},
        )
        start = time.perf_counter()
        publish(warehouse, publication, again=False)
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main(sys.argv[1])
