"""Making summaries: what is published of a run's logs, as additions where that can be."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from blocks.environment import Environment
from flows.errors import ListAgain
from flows.logs.account import check_rejected
from flows.logs.changes import Part, added_parts, find_changes, find_days, parts_to_read
from flows.logs.counts import Counts
from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.logs.events_file import Events
from flows.logs.extracts import Found, Scope, Unit, chosen_of, index
from flows.logs.objects import KINDS, LogObject
from flows.logs.plan import Plan
from flows.logs.rejects import merge_rejects
from flows.logs.summarise import summarise
from flows.storage.results import ResultsStorage
from flows.tasks.extracts import fetch, find_units
from flows.tasks.places import duck_settings
from flows.tasks.preloads import preloading
from flows.tasks.scratch import scratch_folder
from flows.tasks.summaries import (
    FILES,
    VERSION,
    Summary,
    fetch_file,
    read_summary,
    store_summary,
    summary_name,
)
from flows.warehouse.ledger import PublishedRun

Objects = Mapping[LogObject, Found]
"""Where the records of log objects are."""


class _LatestLost(Exception):
    """What the run before has kept of each user is gone or damaged."""


def make_summary(
    block: Environment, storage: ResultsStorage, plan: Plan, base: PublishedRun | None
) -> Summary:
    """The summary of a plan's objects, which are all parsed: made, or found in results storage.

    Args:
        block: The environment.
        storage: Its results storage.
        plan: The run's plan.
        base: The run to whose tables the summary may add (None: it must hold all).

    Raises:
        ListAgain: Stored results are gone or damaged.
        LogsError: Too many lines were rejected.
    """
    scope = Scope(block.logs.bucket_name, block.log_environment)
    objects = _find_objects(storage, scope, plan)
    for kind in KINDS:
        accounts = {item.key: one.counts for item, one in _of_kind(objects, kind).items()}
        check_rejected(kind, accounts, block.max_rejected_ratio)
    healed = []
    known = None if base is None else _known_objects(storage, scope, plan, base)
    if base is not None and known is not None:
        if base.fingerprint == plan.fingerprint:
            return _nothing(base)
        try:
            return _additions(block, storage, scope, plan, objects, base, known)
        except _LatestLost as reason:
            healed.append(str(reason))
    return {**_whole(block, storage, scope, plan, objects), "healed": healed}


def _find_objects(storage: ResultsStorage, scope: Scope, plan: Plan) -> Objects:
    units, _ = find_units(storage, scope, storage.list(scope.folder))
    places = index(units)
    objects = {}
    for item in plan.objects:
        place = places.get((item.kind, item.key, item.etag))
        if place is None:
            raise ListAgain(f"The stored extract of {item.key!r} is gone or damaged.")
        objects[item] = place
    return objects


def _known_objects(
    storage: ResultsStorage, scope: Scope, plan: Plan, base: PublishedRun
) -> Collection[LogObject] | None:
    """The objects of the run before; None where nothing can be added to its tables.

    So it is where one of its objects is gone or has changed, where it counted other records, or
    where what it has kept is gone or of another version.
    """
    made: Summary = base.stages["summarise"]
    if made.get("version") != VERSION or made["scope"] != scope.folder:
        return None
    before = Plan.from_bytes(storage.read(base.stages["list_logs"]["plan"]))
    if before is None or not set(before.objects) <= set(plan.objects):
        return None
    return set(before.objects)


def _nothing(base: PublishedRun) -> Summary:
    """The summary of just those objects that are published."""
    nothing = {name: None for name in FILES if name != "latest"}
    return {**base.stages["summarise"], **nothing, "base": base.listing, "healed": []}


def _whole(
    block: Environment, storage: ResultsStorage, scope: Scope, plan: Plan, objects: Objects
) -> Summary:
    name = summary_name(scope, plan.fingerprint, None)
    stored = read_summary(storage, name)
    if stored is not None:
        return stored
    with scratch_folder() as scratch, preloading(block, name) as counting:
        events = {kind: _fetch_events(storage, _of_kind(objects, kind), scratch) for kind in KINDS}
        rejects = _rejects(block, storage, objects, scratch)
        with duck_settings(block, scratch) as settings:
            made = summarise(events, scratch, settings, counting)
        distinct = {"page_views": made.page_views, "user_updates": made.user_updates}
        accounts = _accounts(objects, distinct)
        return store_summary(
            storage,
            name,
            {"rows": made.table, "urls": made.urls, "latest": made.latest, "rejects": rejects},
            {"scope": scope.folder, "count": made.rows, **accounts},
        )


def _additions(
    block: Environment,
    storage: ResultsStorage,
    scope: Scope,
    plan: Plan,
    objects: Objects,
    base: PublishedRun,
    known: Collection[LogObject],
) -> Summary:
    name = summary_name(scope, plan.fingerprint, base.fingerprint)
    stored = read_summary(storage, name)
    if stored is not None:
        return {**stored, "base": base.listing}
    before: Summary = base.stages["summarise"]
    added = {item: one for item, one in objects.items() if item not in known}
    with scratch_folder() as scratch:
        try:
            latest = fetch_file(storage, before, "latest", scratch)
        except ListAgain as reason:
            raise _LatestLost(str(reason)) from None
        assert latest is not None
        parts: dict[str, list[Part]] = {}
        paths: dict[str, Path] = {}
        with duck_settings(block, scratch) as settings:
            for kind in KINDS:
                new = list(_of_kind(added, kind).values())
                old = [one for item, one in _of_kind(objects, kind).items() if item in known]
                parts[kind], files = _fetch_parts(storage, new, old, scratch, settings)
                paths |= files
            made = find_changes(parts, paths, latest, scratch, settings)
        distinct = {
            "page_views": before["page_views"]["counted"] + made.page_views,
            "user_updates": before["user_updates"]["counted"] + made.user_updates,
        }
        return store_summary(
            storage,
            name,
            {
                "rows": made.rows,
                "urls": made.urls,
                "emails": made.emails,
                "latest": made.latest,
                "rejects": _rejects(block, storage, added, scratch),
            },
            {"scope": scope.folder, "base": base.listing, **_accounts(objects, distinct)},
        )


def _fetch_parts(
    storage: ResultsStorage,
    added: Sequence[Found],
    known: Sequence[Found],
    scratch: Path,
    settings: DuckSettings,
) -> tuple[list[Part], dict[str, Path]]:
    """What must be read of one kind of log, and the files, each one's place by its name."""
    new = added_parts(added)
    paths = _fetch_files(storage, [part.unit for part in new], scratch)
    parts = parts_to_read(added, known, find_days(new, paths, settings))
    others = [part.unit for part in parts if part.unit.events.name not in paths]
    return parts, paths | _fetch_files(storage, others, scratch)


def _of_kind(objects: Objects, kind: str) -> Objects:
    return {item: one for item, one in objects.items() if item.kind == kind}


def _accounts(objects: Objects, distinct: Mapping[str, int]) -> Summary:
    """The account of each kind of log, given its distinct records."""
    accounts: Summary = {}
    for kind, number in distinct.items():
        total = Counts.total(one.counts for one in _of_kind(objects, kind).values())
        account = total.deduplicated(number)
        account.check(kind)
        accounts[kind] = account.as_json()
    return accounts


def _fetch_files(storage: ResultsStorage, units: list[Unit], folder: Path) -> dict[str, Path]:
    """The units' events and URLs, each one's place by its name."""
    files = [(unit.manifest, file) for unit in units for file in (unit.events, unit.urls) if file]
    return fetch(storage, files, folder)


def _fetch_events(storage: ResultsStorage, objects: Objects, folder: Path) -> list[Events]:
    chosen = list(chosen_of(objects.values()).values())
    paths = _fetch_files(storage, [unit for unit, _ in chosen], folder)
    return [
        Events(
            paths[unit.events.name],
            None if unit.urls is None else paths[unit.urls.name],
            unit.spans,
            unwanted,
        )
        for unit, unwanted in chosen
    ]


def _rejects(
    block: Environment, storage: ResultsStorage, objects: Objects, scratch: Path
) -> Path | None:
    """The rejects of these objects in one file; None where there are none."""
    chosen = [
        (unit, unit.rejects, [one.key for n, one in enumerate(unit.objects) if n not in unwanted])
        for unit, unwanted in chosen_of(objects.values()).values()
        if unit.rejects is not None
    ]
    if not chosen:
        return None
    paths = fetch(storage, [(unit.manifest, file) for unit, file, _ in chosen], scratch)
    wanted = [(paths[file.name], keys) for _, file, keys in chosen]
    with duck_settings(block, scratch) as settings, duck(settings) as connection:
        return merge_rejects(connection, wanted, scratch / "all_rejects.parquet")
