"""Publishing given rows, straight at the database."""

import itertools
from datetime import datetime, timezone
from pathlib import Path

import duckdb
from sqlalchemy import Engine, text

from flows.warehouse.ledger import Listing, PublishedRun, next_listing, prepare
from flows.warehouse.publish import Publication, publish
from flows.warehouse.tables import ACCOUNT, Tables
from flows.warehouse.warehouse import Warehouse

_numbers = itertools.count(1)
Row = tuple[int, str | None, str, int, str]


class Publisher:
    """A schema of the test's own, and runs that publish given rows."""

    def __init__(self, engine: Engine, folder: Path, tables: Tables | None = None) -> None:
        self.engine, self.folder = engine, folder
        self.tables = tables or Tables(f"warehouse_{next(_numbers)}")
        self.warehouse = Warehouse(engine, self.tables)
        prepare(self.warehouse)

    def listing(self) -> Listing:
        return next_listing(self.warehouse)

    def publish(
        self, id: str, listing: Listing, rows: list[Row], *, again: bool = False
    ) -> PublishedRun:
        table = self.folder / f"{id}.parquet"
        with duckdb.connect() as connection:
            connection.execute(
                "CREATE TABLE t (user_id BIGINT, email VARCHAR, url VARCHAR, count BIGINT,"
                " last_viewed TIMESTAMP)"
            )
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.execute(
                "INSERT INTO t SELECT unnest(?::BIGINT[]), unnest(?::VARCHAR[]),"
                " unnest(?::VARCHAR[]), unnest(?::BIGINT[]), unnest(?::TIMESTAMP[])",
                columns,
            )
            connection.table("t").write_parquet(str(table))
        publication = Publication(
            flow="flow",
            id=id,
            started_at=datetime.now(timezone.utc),
            listing=listing,
            fingerprint="f",
            account={f"{k}_{part}": 0 for k in ("page_views", "user_updates") for part in ACCOUNT},
            table=table,
            rejects=[],
            stages={},
            summary={"id": id},
        )
        return publish(self.warehouse, publication, again=again)

    def rows(self) -> list[tuple[object, ...]]:
        schema = self.tables.metadata.schema
        query = f"SELECT user_id, email, url, count FROM {schema}.user_page_views ORDER BY 1, 3"
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
