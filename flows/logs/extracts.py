"""Stored extracts: what lies in results storage of each log object that was ever read.

One unit is a Parquet file of events, one of rejects where there are any, and a manifest. The
manifest is written last, and its presence is the proof that the unit's objects need no parsing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.logs.counts import Counts
from flows.logs.objects import LogObject, unit_name
from flows.logs.sealed import seal, unseal
from flows.logs.spans import Span

if TYPE_CHECKING:  # else a run that finds its id published would load all that parses
    from flows.logs.extract import Extracted

SCHEMA_VERSION = 5
"""Part of every extract's name: raise it with any change of what a record or a file is."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a unit by its name in results storage, with its SHA-256."""

    name: str
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str) -> "StoredFile":
        """What a file is to be stored as: the name is completed with the file's hash.

        So two runs at once that make the same thing never replace each other's files.
        """
        sha256 = _sha256(path)
        return cls(f"{name}.{sha256[:16]}.parquet", sha256)

    def is_whole(self, path: Path) -> bool:
        """Whether a fetched copy is what was stored."""
        return _sha256(path) == self.sha256


@dataclass(frozen=True)
class Unit:
    """A manifest: the objects of one extract, their accounts, and its files.

    `urls` is there where the URLs of page views were too many for the metadata of `events`;
    `spans` are those of the objects' events, None where there are none.
    """

    manifest: str
    objects: list[LogObject]
    counts: list[Counts]
    spans: list[Span | None]
    events: StoredFile
    urls: StoredFile | None
    rejects: StoredFile | None

    @property
    def files(self) -> list[StoredFile]:
        """All its files."""
        files = (self.events, self.urls, self.rejects)
        return [file for file in files if file is not None]

    def as_values(self) -> dict[str, Any]:
        """What the manifest says, JSON-able."""
        # Written out: dataclasses.asdict, which copies all, takes ten times as long.
        return {
            "objects": [vars(item) for item in self.objects],
            "counts": [vars(item) for item in self.counts],
            "spans": self.spans,
            **{
                name: None if file is None else vars(file)
                for name, file in (
                    ("events", self.events),
                    ("urls", self.urls),
                    ("rejects", self.rejects),
                )
            },
        }

    def as_bytes(self) -> bytes:
        """The manifest as stored."""
        return seal(self.as_values())

    @classmethod
    def from_bytes(cls, manifest: str, document: bytes | None) -> "Unit | None":
        """The inverse of `as_bytes`; None where the manifest is missing or damaged."""
        values = unseal(document)
        return None if values is None else cls.from_values(manifest, values)

    @classmethod
    def from_values(cls, manifest: str, values: Mapping[str, Any]) -> "Unit":
        """The inverse of `as_values`."""
        events, urls, rejects = (
            None if values[name] is None else StoredFile(**values[name])
            for name in ("events", "urls", "rejects")
        )
        assert events is not None
        return cls(
            manifest,
            [LogObject(**item) for item in values["objects"]],
            [Counts.from_json(item) for item in values["counts"]],
            [None if span is None else (span[0], span[1]) for span in values["spans"]],
            events,
            urls,
            rejects,
        )


@dataclass(frozen=True)
class Scope:
    """What an extract's content depends on beside its objects."""

    bucket: str
    log_environment: str

    @property
    def folder(self) -> str:
        """The folder of the extracts in results storage; another schema version, another folder."""
        key = json.dumps([self.bucket, self.log_environment]).encode()
        return f"extracts/v{SCHEMA_VERSION}/{hashlib.sha256(key).hexdigest()[:16]}/"


def manifest_name(scope: Scope, objects: Iterable[LogObject]) -> str:
    """Where the manifest of these objects lies."""
    return f"{scope.folder}{unit_name(objects, scope.folder)}.json"


def describe(scope: Scope, extracted: "Extracted") -> Unit:
    """The manifest of an extract whose files are still in the scratch folder."""
    manifest = manifest_name(scope, extracted.objects)
    name, urls, rejects = manifest.removesuffix(".json"), extracted.urls, extracted.rejects
    return Unit(
        manifest,
        extracted.objects,
        extracted.counts,
        extracted.spans,
        StoredFile.of(extracted.events, f"{name}.events"),
        None if urls is None else StoredFile.of(urls, f"{name}.urls"),
        None if rejects is None else StoredFile.of(rejects, f"{name}.rejects"),
    )


@dataclass(frozen=True)
class Found:
    """Where an object's records are: a unit, and the object's place in it."""

    unit: Unit
    number: int

    @property
    def span(self) -> Span | None:
        """Of the object's events."""
        return self.unit.spans[self.number]

    @property
    def counts(self) -> Counts:
        """The object's account."""
        return self.unit.counts[self.number]


def index(units: Iterable[Unit]) -> dict[tuple[str, str, str], Found]:
    """Where each object version is found, by kind, key and ETag; of several units one, always the
    same."""
    found: dict[tuple[str, str, str], Found] = {}
    for unit in sorted(units, key=lambda unit: unit.manifest):
        for number, item in enumerate(unit.objects):
            found.setdefault((item.kind, item.key, item.etag), Found(unit, number))
    return found


def chosen_of(found: Iterable[Found]) -> Mapping[str, tuple[Unit, tuple[int, ...]]]:
    """Each unit in use by its manifest's name, with the numbers of its objects that are not."""
    used: dict[str, tuple[Unit, set[int]]] = {}
    for item in found:
        used.setdefault(item.unit.manifest, (item.unit, set()))[1].add(item.number)
    return {
        name: (unit, tuple(sorted(set(range(len(unit.objects))) - numbers)))
        for name, (unit, numbers) in sorted(used.items())
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
