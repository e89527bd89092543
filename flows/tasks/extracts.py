"""Units in results storage: found, read and written."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from flows.errors import ListAgain
from flows.logs.extract import Extracted
from flows.logs.extracts import Scope, StoredFile, Unit, describe
from flows.storage.results import ResultsStorage
from flows.tasks.scratch import keep_file, kept_file

_AT_ONCE = 8


def find_units(storage: ResultsStorage, names: Iterable[str]) -> tuple[list[Unit], list[str]]:
    """The units that are whole, a manifest and each file that it names; the manifests of others.

    Args:
        storage: The results storage.
        names: All that it holds of a scope's extracts.
    """
    names = set(names)
    manifests = sorted(name for name in names if name.endswith(".json"))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = pool.map(lambda name: Unit.from_bytes(name, storage.read(name)), manifests)
        units = [
            unit
            for unit in read
            if unit is not None and all(file.name in names for file in unit.files)
        ]
    return units, sorted(set(manifests) - {unit.manifest for unit in units})


def store_unit(storage: ResultsStorage, scope: Scope, extracted: Extracted) -> Unit:
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
    storage.write(unit.manifest, unit.as_bytes())
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
