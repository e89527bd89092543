"""Publishing given logs, straight at the database: without Prefect and S3."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import Engine, text

from flows.extracts.plan import make_plan
from flows.extracts.units import Scope, index
from flows.logs.extract import extract
from flows.logs.objects import LogObject
from flows.logs.plain_file import write_plain_file
from flows.storage.folder_results import FolderResults
from flows.tasks.inputs import Inputs
from flows.tasks.listing import store_plan
from flows.tasks.runs import Run
from flows.tasks.transaction import Publication, publish
from flows.tasks.units import find_units, store_unit
from flows.warehouse.ledger import Listing, next_listing, prepare
from flows.warehouse.tables import Tables
from flows.warehouse.warehouse import Warehouse
from tests.support.readers import limits_in

_numbers = itertools.count(1)
_SCOPE = Scope("logs", "production")
Logs = Mapping[str, str]
"""Log objects by key; there must be one of each kind."""
RoleUrl = Callable[..., str]
"""Creates a role with a setting; returns the database's URL for it."""


class Publisher:
    """A schema of the test's own, and runs that publish given logs."""

    def __init__(self, engine: Engine, folder: Path, tables: Tables | None = None, environment: str = "tests") -> None:
        self.engine, self.folder, self.environment = engine, folder, environment
        self.tables = tables or Tables(f"50 % of {next(_numbers)}")
        self.schema = self.tables.schema
        self.warehouse = Warehouse(engine, self.tables)
        self.storage = FolderResults(folder / "results")
        prepare(self.warehouse)

    def listing(self) -> Listing:
        """A place in the order of listings."""
        return next_listing(self.warehouse)

    def publish(self, id: str, logs: Logs, listing: Listing | None = None, *, refresh: bool = False) -> dict[str, Any]:
        """Extract the logs that are new, and publish all of them; return the summary."""
        listing = listing or self.listing()
        objects = [
            LogObject(
                "page_views" if key.startswith("PageViews/") else "user_updates",
                key,
                hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                len(body.encode()),
            )
            for key, body in logs.items()
        ]
        units, _ = find_units(self.storage, _SCOPE, self.storage.list(_SCOPE.folder))
        plan = make_plan(objects, index(units), 1)
        scratch = Path(mkdtemp(prefix="url=", dir=self.folder))
        for part in plan.parts:
            for unit in part.units:
                files = [
                    write_plain_file(iter([logs[item.key].encode()]), scratch / f"{number}.plain")
                    for number, item in enumerate(unit)
                ]
                extracted = extract(unit, files, _SCOPE.log_environment, scratch, limits_in(scratch))
                store_unit(self.storage, _SCOPE, extracted)
        listed = {
            "plan": store_plan(self.storage, _SCOPE, plan),
            "listing": listing.number,
            "listed_at": listing.at.isoformat(),
            "fingerprint": plan.fingerprint,
            "objects": len(objects),
        }
        run = Run("flow", id, self.environment, refresh, parsed=plan.new_objects)
        inputs = Inputs.find(self.storage, _SCOPE, plan, scratch, limits_in(scratch))
        return publish(self.warehouse, Publication(run, listed, [], inputs))[0]

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL in the schema and commit; return the rows, if there are any."""
        with self.engine.begin() as connection:
            connection.execute(text(f'SET LOCAL search_path TO "{self.schema}"'))
            found = connection.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []

    def attach(self, trigger: str, body: str) -> None:
        """Create a trigger, such as `name AFTER INSERT ON table`, whose function executes the body."""
        function = f'"{self.schema}".of_{next(_numbers)}()'
        self.execute(
            f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; "
            f"CREATE {'' if 'CONSTRAINT' in trigger else 'TRIGGER '}{trigger} EXECUTE FUNCTION {function}"
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """user_id, email, url and count of the table's rows."""
        return self.execute('SELECT user_id, email, url, count FROM user_page_views ORDER BY 1, url COLLATE "C"')
