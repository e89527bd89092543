"""Units in results storage: found, downloaded and stored."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from flows.errors import ListAgain
from flows.extracts.sealed import seal, unseal
from flows.extracts.units import Catalog, Scope, StoredFile, Unit, catalog_name, describe
from flows.logs.extract import Extracted
from flows.storage.results import ResultsStorage, Stored
from flows.tasks.wording import count_of

_AT_ONCE = 8


def find_units(storage: ResultsStorage, scope: Scope, stored: Mapping[str, Stored]) -> tuple[list[Unit], list[str]]:
    """The complete units, and the manifests of damaged ones.

    Only manifests that were written since the last run are read; the catalog has the others.

    Args:
        stored: All that is stored in the scope's folder.
    """
    catalog = unseal(Catalog, storage.read(catalog_name(scope))) or {}
    manifests = {name: one.tag for name, one in sorted(stored.items()) if name.endswith(".json")}
    known = {n: catalog[n] for n, tag in manifests.items() if n in catalog and catalog[n][0] == tag}
    new = [name for name in manifests if name not in known]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        units = pool.map(lambda name: Unit.read(name, storage.read(name)), new)
        known |= {name: (manifests[name], unit) for name, unit in zip(new, units, strict=True) if unit is not None}
    if known != catalog:
        storage.write(catalog_name(scope), seal(known))
    complete = [unit for _, unit in known.values() if all(file.name in stored for file in unit.files)]
    return complete, sorted(set(manifests) - {unit.manifest for unit in complete})


def store_unit(storage: ResultsStorage, scope: Scope, extracted: Extracted) -> None:
    """Store an extract; its manifest last."""
    unit = describe(scope, extracted)
    for path, stored in ((extracted.events, unit.events), (extracted.rejects, unit.rejects)):
        if path is not None and stored is not None:
            storage.upload(path, stored.name)
    storage.write(unit.manifest, seal(unit))


def fetch(storage: ResultsStorage, wanted: Iterable[tuple[Unit, StoredFile]], folder: Path) -> dict[str, Path]:
    """Download files of units; return the path of each by its name.

    Files that are in the folder already are not downloaded again.

    Raises:
        ListAgain: Files are missing or damaged. Their manifests are deleted, so that the next listing finds their
            objects unparsed.
    """

    def one(pair: tuple[Unit, StoredFile]) -> tuple[str, Path, str | None]:
        unit, file = pair
        path = folder / file.name.rpartition("/")[2]
        whole = path.exists() or (storage.download(file.name, path) and file.is_whole(path))
        return file.name, path, None if whole else unit.manifest

    # The pool's threads get this thread's context, so that stopping the run stops them too.
    context = copy_context()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        fetched = list(pool.map(lambda pair: context.copy().run(one, pair), wanted))
    damaged = {manifest: path for _, path, manifest in fetched if manifest is not None}
    for manifest, path in damaged.items():
        storage.delete(manifest)
        path.unlink(missing_ok=True)
    if damaged:
        raise ListAgain(
            f"{count_of(len(damaged), 'stored extract')} missing or damaged ({', '.join(sorted(damaged)[:3])}): "
            "the objects are parsed again."
        )
    return {name: path for name, path, _ in fetched}
