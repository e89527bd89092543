"""Units: what results storage contains of each log object that was ever parsed.

A unit is a Parquet file of events, one of rejects if there are any, and a manifest. The manifest is written last, and
its presence proves that the unit's objects need no parsing.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flows.counts import Counts
from flows.extracts.sealed import unseal
from flows.logs.extract import Extracted
from flows.logs.objects import LogObject, unit_name
from flows.logs.spans import Span

SCHEMA_VERSION = 6
"""Part of each unit's name: raise it whenever the meaning of a record or the format of a file changes."""


@dataclass(frozen=True)
class StoredFile:
    """A file in results storage: its name and its SHA-256."""

    name: str
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str) -> "StoredFile":
        """The name and checksum under which a file is to be stored.

        The checksum is part of the name, so runs at the same time never replace each other's files.
        """
        sha256 = _sha256(path)
        return cls(f"{name}.{sha256[:16]}.parquet", sha256)

    def is_whole(self, path: Path) -> bool:
        """Whether a downloaded copy is what was stored."""
        return _sha256(path) == self.sha256


@dataclass(frozen=True)
class Unit:
    """A manifest: the objects of one unit, their accounts and spans, and its files.

    `spans` are those of the objects' events, None for an object without events.
    """

    manifest: str
    objects: list[LogObject]
    counts: list[Counts]
    spans: list[Span | None]
    events: StoredFile
    rejects: StoredFile | None

    @property
    def files(self) -> list[StoredFile]:
        """All its files."""
        return [self.events, *([self.rejects] if self.rejects else [])]

    @classmethod
    def read(cls, manifest: str, document: bytes | None) -> "Unit | None":
        """The unit of a stored manifest; None if it is missing or damaged."""
        unit = unseal(cls, document)
        return None if unit is None or unit.manifest != manifest else unit


@dataclass(frozen=True)
class Scope:
    """What a unit's content depends on besides its objects."""

    bucket: str
    log_environment: str

    @property
    def folder(self) -> str:
        """The folder of the units in results storage; each schema version has its own."""
        key = json.dumps([self.bucket, self.log_environment]).encode()
        return f"extracts/v{SCHEMA_VERSION}/{hashlib.sha256(key).hexdigest()[:16]}/"


def plans_folder(scope: Scope) -> str:
    """The folder of the plans of runs with this scope."""
    return scope.folder.replace("extracts/", "plans/", 1)


Catalog = dict[str, tuple[str, Unit]]
"""All manifests of a scope in one document, so that a run reads only one: by name, the tag in results storage and the
unit. An entry counts only while the manifest has this tag. A lost or damaged catalog is rebuilt from the manifests."""


def catalog_name(scope: Scope) -> str:
    """Where the catalog of a scope is stored."""
    return f"catalogs/{scope.folder.removeprefix('extracts/').rstrip('/')}.json"


def manifest_name(scope: Scope, objects: Iterable[LogObject]) -> str:
    """Where the manifest of these objects is stored."""
    return f"{scope.folder}{unit_name(objects, scope.folder)}.json"


def describe(scope: Scope, extracted: Extracted) -> Unit:
    """The manifest of an extract whose files are not stored yet."""
    manifest = manifest_name(scope, extracted.objects)
    name, rejects = manifest.removesuffix(".json"), extracted.rejects
    return Unit(
        manifest,
        extracted.objects,
        extracted.counts,
        extracted.spans,
        StoredFile.of(extracted.events, f"{name}.events"),
        None if rejects is None else StoredFile.of(rejects, f"{name}.rejects"),
    )


@dataclass(frozen=True)
class Place:
    """Where an object's records are: a unit, and the object's place in it."""

    unit: Unit
    number: int

    @property
    def span(self) -> Span | None:
        """The span of the object's events."""
        return self.unit.spans[self.number]

    @property
    def counts(self) -> Counts:
        """The object's account."""
        return self.unit.counts[self.number]


def index(units: Iterable[Unit]) -> dict[tuple[str, str, str], Place]:
    """The place of each object version by kind, key and ETag; if several units contain it, always one."""
    found: dict[tuple[str, str, str], Place] = {}
    for unit in sorted(units, key=lambda unit: unit.manifest):
        for number, item in enumerate(unit.objects):
            found.setdefault((item.kind, item.key, item.etag), Place(unit, number))
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
