"""Publishing given rows, straight at the database."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from sqlalchemy import Engine, text

from flows.warehouse.ledger import Listing, PublishedRun, find_latest, next_listing, prepare
from flows.warehouse.preload import Preload
from flows.warehouse.publish import Additions, Publication, Whole, publish
from flows.warehouse.tables import ACCOUNT, Tables
from flows.warehouse.views_stream import ViewFiles
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

    def latest(self) -> PublishedRun:
        run = find_latest(self.warehouse, "flow")
        assert run is not None
        return run

    def publish(
        self, id: str, listing: Listing, rows: list[Row], *, again: bool = False
    ) -> PublishedRun:
        whole = Whole(write_views(self.folder, rows), len(rows), None)
        return self.publish_content(id, listing, whole, again=again)

    def publish_content(
        self,
        id: str,
        listing: Listing,
        content: Whole | Additions,
        *,
        again: bool = False,
        preload: Preload | None = None,
    ) -> PublishedRun:
        publication = Publication(
            flow="flow",
            id=id,
            started_at=datetime.now(UTC),
            listing=listing,
            fingerprint="f",
            account={f"{k}_{part}": 0 for k in ("page_views", "user_updates") for part in ACCOUNT},
            content=content,
            stages={"list_logs": {}, "summarise": {}},
            summary={"id": id},
        )
        return publish(self.warehouse, publication, again=again, preload=preload)

    def rows(self) -> list[tuple[object, ...]]:
        schema = self.tables.metadata.schema
        query = (
            f"SELECT user_id, email, url, count FROM {schema}.user_page_views"
            ' ORDER BY user_id, url COLLATE "C"'
        )
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


def write_views(folder: Path, rows: list[Row]) -> ViewFiles:
    """Write rows as they are to be published."""
    names = iter(range(3))
    urls = sorted({row[2] for row in rows})
    tables = (
        (
            "user_id BIGINT, url INTEGER, count BIGINT, last_viewed TIMESTAMP",
            [(user, urls.index(url) + 1, count, at) for user, _, url, count, at in sorted(rows)],
        ),
        ("number INTEGER, url VARCHAR", list(enumerate(urls, 1))),
        ("user_id BIGINT, email VARCHAR", sorted({(row[0], row[1] or "") for row in rows})),
    )
    files = []
    with duckdb.connect() as connection:
        for columns, values in tables:
            name = f"t{next(names)}"
            connection.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join("?" * (columns.count(",") + 1))
            if values:
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
            files.append(folder / f"{next(_numbers)}.parquet")
            connection.table(name).write_parquet(str(files[-1]))
    return ViewFiles(*files)
