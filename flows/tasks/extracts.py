"""Units in results storage: found, read and written."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import ListAgain
from flows.logs.catalog import catalog_as_bytes, catalog_from_bytes, catalog_name
from flows.logs.extracts import Scope, StoredFile, Unit, describe
from flows.storage.results import ResultsStorage, Stored
from flows.tasks.scratch import keep_file, kept_file

if TYPE_CHECKING:
    from flows.logs.extract import Extracted

_AT_ONCE = 8


def find_units(
    storage: ResultsStorage, scope: Scope, stored: Mapping[str, Stored]
) -> tuple[list[Unit], list[str]]:
    """The units that are whole, a manifest and each file that it names; the manifests of others.

    Manifests that were written since the last run are read, and noted in the catalog.

    Args:
        storage: The results storage.
        scope: Of the extracts.
        stored: All that the storage holds in the scope's folder.
    """
    noted = catalog_from_bytes(storage.read(catalog_name(scope)))
    manifests = {name: one.tag for name, one in sorted(stored.items()) if name.endswith(".json")}
    known = {n: noted[n] for n, tag in manifests.items() if n in noted and noted[n][0] == tag}
    new = {name: kept_file(name) for name in manifests if name not in known}

    def read(name: str, kept: Path | None) -> tuple[str, Unit | None]:
        document = storage.read(name) if kept is None else kept.read_bytes()
        return name, Unit.from_bytes(name, document)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        known |= {
            name: (manifests[name], unit)
            for name, unit in pool.map(read, new, new.values())
            if unit is not None
        }
    if known != noted:
        storage.write(catalog_name(scope), catalog_as_bytes(known))
    units = [unit for _, unit in known.values() if all(file.name in stored for file in unit.files)]
    return units, sorted(set(manifests) - {unit.manifest for unit in units})


def store_unit(storage: ResultsStorage, scope: Scope, extracted: "Extracted") -> Unit:
    """Store an extract; its manifest last."""
    unit = describe(scope, extracted)
    for file, stored in (
        (extracted.events, unit.events),
        (extracted.urls, unit.urls),
        (extracted.rejects, unit.rejects),
    ):
        if file is not None and stored is not None:
            storage.upload(file, stored.name)
            keep_file(file, stored.name)
    manifest = extracted.events.with_name("manifest.json")
    manifest.write_bytes(unit.as_bytes())
    storage.upload(manifest, unit.manifest)
    keep_file(manifest, unit.manifest)
    return unit


def fetch(
    storage: ResultsStorage, wanted: Iterable[tuple[str, StoredFile]], folder: Path
) -> dict[str, Path]:
    """Fetch files, each named by a manifest; give each one's place by its name.

    Raises:
        ListAgain: A file is gone, or is not what its manifest says. Its manifest is taken away,
            so that the next listing finds its work undone.
    """

    def one(pair: tuple[str, StoredFile]) -> tuple[str, Path, str | None]:
        manifest, file = pair
        kept = kept_file(file.name)
        if kept is not None:
            return file.name, kept, None
        path = folder / file.name.rpartition("/")[2]
        whole = storage.download(file.name, path) and file.is_whole(path)
        return file.name, path, None if whole else manifest

    # The pool's threads know nothing of this one's context.
    context = copy_context()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        fetched = list(pool.map(lambda pair: context.copy().run(one, pair), wanted))
    damaged = sorted({manifest for _, _, manifest in fetched if manifest is not None})
    for manifest in damaged:
        storage.delete(manifest)
    if damaged:
        raise ListAgain(
            f"Stored results were damaged or gone, {len(damaged)} of them: "
            f"{', '.join(damaged[:3])}. They are made anew."
        )
    return {name: path for name, path, _ in fetched}
