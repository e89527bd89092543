"""Publishing a run: counted and written in one transaction together with its ledger row."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from flows.counts import PARTS
from flows.extracts.plan import Plan
from flows.extracts.sealed import unseal
from flows.logs.objects import KINDS, LogObject
from flows.summary import RunSummary
from flows.tasks.inputs import Inputs
from flows.tasks.loads import Written, add, replace
from flows.tasks.report import describe
from flows.tasks.runs import Run
from flows.warehouse.ledger import PublishedRun, check_owner, insert_run, lock_environment, read_latest, read_run
from flows.warehouse.tables import Tables
from flows.warehouse.trust import Found, find_rows, is_as_left
from flows.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Publication:
    """A run to publish: the results of its stages, and the extracts that it counts."""

    run: Run
    listed: Mapping[str, Any]
    extracted: Sequence[Mapping[str, int]]
    inputs: Inputs


def publish(warehouse: Warehouse, publication: Publication) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make the tables contain this run's rows, and record the run; all of it or nothing.

    Only rows that differ are written, so whatever others attach to the table stays, and readers see the old rows until
    the commit. A run that listed its logs earlier than what is published changes no table and is recorded as overtaken.
    An id that another process has published in the meantime is left as it is.

    Returns:
        The run's summary and stages, as the ledger has them.

    Raises:
        WarehouseError: Another environment has published to the schema, or a table cannot contain the rows.
    """
    tables, run, listing = warehouse.tables, publication.run, publication.listed["listing"]

    def work(connection: Connection) -> tuple[dict[str, Any], dict[str, Any]]:
        lock_environment(connection, tables)
        check_owner(connection, tables, run.environment)
        done = read_run(connection, tables, run.flow, run.id)
        # A row of this listing: the connection broke after an earlier try had committed. A row of a
        # later listing: another refresh of the id was faster, and its row is newer.
        if done is not None and (not run.refresh or done.listing >= listing):
            return done.summary, done.stages
        latest = read_latest(connection, tables, run.flow)
        overtaken = latest is not None and latest.listing > listing
        found = find_rows(connection, tables)
        known: Collection[LogObject] | None = None
        if latest is not None and not overtaken and not run.refresh:
            known = _known_objects(connection, tables, publication, latest, found)
        if latest is not None and known is not None:
            written = add(connection, tables, publication.inputs, latest, known, found)
        else:
            written = replace(connection, tables, publication.inputs, found, overtaken=overtaken)
        return _record(connection, tables, publication, written, overtaken=overtaken)

    return warehouse.transaction(work)


def _known_objects(
    connection: Connection, tables: Tables, publication: Publication, latest: PublishedRun, found: Found
) -> Collection[LogObject] | None:
    """The objects of the latest run; None if nothing can be added to its tables.

    That is so if somebody has changed the tables, if one of the objects is gone or has changed, or if that run counted
    other records.
    """
    inputs = publication.inputs
    if latest.stages.get("scope") != inputs.scope.folder or not is_as_left(connection, tables, latest, found):
        return None
    plan = unseal(Plan, inputs.storage.read(latest.stages["list_logs"]["plan"]))
    if plan is None or not set(plan.objects) <= inputs.places.keys():
        return None
    return set(plan.objects)


def _record(
    connection: Connection, tables: Tables, publication: Publication, written: Written, *, overtaken: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Insert the run's row into the ledger; return the run's summary and stages."""
    run, listed, inputs = publication.run, publication.listed, publication.inputs
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    accounts = {kind: asdict(inputs.account(kind, written.distinct[kind])) for kind in KINDS}
    before = None if overtaken else read_latest(connection, tables, run.flow)
    summary = {
        "id": run.id,
        "environment": run.environment,
        "fingerprint": listed["fingerprint"],
        "listed_at": listed["listed_at"],
        "published_at": now.isoformat(),
        **accounts,
        "objects_parsed": run.parsed,
        "objects_reused": max(0, listed["objects"] - run.parsed),
        "rows": written.rows,
        "rows_written": written.rows_written,
        "seconds": round((datetime.now(UTC) - run.started_at).total_seconds(), 3),
        "healed": run.healed,
        "overtaken": overtaken,
    }
    stages = {
        "list_logs": listed,
        "extract_logs": publication.extracted,
        "scope": inputs.scope.folder,
        "tables": written.noted,
        "report": describe(RunSummary.model_validate(summary), run, inputs.places, before),
    }
    row = {
        "flow": run.flow,
        "id": run.id,
        "environment": run.environment,
        "listing": listed["listing"],
        "started_at": run.started_at,
        "listed_at": datetime.fromisoformat(listed["listed_at"]),
        "published_at": now,
        "fingerprint": listed["fingerprint"],
        "overtaken": overtaken,
        "summary": summary,
        "stages": stages,
    }
    row |= {f"{kind}_{part}": accounts[kind][part] for kind in KINDS for part in PARTS}
    insert_run(connection, tables, row)
    return summary, stages
