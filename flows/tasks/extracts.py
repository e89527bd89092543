"""Units in results storage: found, read and written."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows.errors import DamagedExtract
from flows.logs.extract import Extracted
from flows.logs.extracts import Scope, StoredFile, Unit, describe
from flows.storage.results import ResultsStorage

_AT_ONCE = 8


def find_units(storage: ResultsStorage, scope: Scope) -> list[Unit]:
    """The units that are whole: a manifest, and each file that it names."""
    names = storage.list(scope.folder)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = pool.map(
            lambda name: (name, storage.read(name)),
            [name for name in names if name.endswith(".json")],
        )
        units = [Unit.from_bytes(name, content) for name, content in read if content is not None]
    return [unit for unit in units if all(file.name in names for file in _files(unit))]


def store_unit(storage: ResultsStorage, scope: Scope, extracted: Extracted) -> Unit:
    """Store an extract; its manifest last."""
    unit = describe(scope, extracted)
    storage.upload(extracted.events, unit.events.name)
    if unit.rejects is not None and extracted.rejects is not None:
        storage.upload(extracted.rejects, unit.rejects.name)
    storage.write(unit.manifest, unit.as_bytes())
    return unit


def fetch(
    storage: ResultsStorage, wanted: Iterable[tuple[Unit, StoredFile]], folder: Path
) -> dict[str, Path]:
    """Fetch files of units; give each one's place by its name.

    Raises:
        DamagedExtract: A file is not what its manifest says. Its manifest is taken away, so that
            the next run parses its objects again.
    """

    def one(pair: tuple[Unit, StoredFile]) -> tuple[str, Path, Unit | None]:
        unit, file = pair
        path = folder / file.name.rpartition("/")[2]
        storage.download(file.name, path)
        return file.name, path, None if file.is_whole(path) else unit

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        fetched = list(pool.map(one, wanted))
    damaged = sorted({unit.manifest for _, _, unit in fetched if unit is not None})
    for manifest in damaged:
        storage.delete(manifest)
    if damaged:
        raise DamagedExtract(
            f"{len(damaged)} stored extracts are damaged ({', '.join(damaged[:3])}); they were "
            "dropped. Nothing was published: run the same id again, which makes them anew.",
            damaged,
        )
    return {name: path for name, path, _ in fetched}


def _files(unit: Unit) -> list[StoredFile]:
    return [unit.events] if unit.rejects is None else [unit.events, unit.rejects]
