"""The catalog: the manifests of a scope's extracts in one document, so that a run reads one.

It is no proof of anything: what it says of a manifest counts only while that has the tag under
which it was read, and a catalog that is gone or damaged is made again from the manifests.
"""

from __future__ import annotations

from collections.abc import Mapping

from flows.logs.extracts import Scope, Unit
from flows.logs.sealed import seal, unseal

Catalog = Mapping[str, tuple[str, Unit]]
"""By the name of a manifest: its tag in results storage, and what it says."""


def catalog_name(scope: Scope) -> str:
    """Where the catalog of a scope lies in results storage."""
    return f"catalogs/{scope.folder.removeprefix('extracts/').rstrip('/')}.json"


def catalog_as_bytes(catalog: Catalog) -> bytes:
    """The catalog as stored."""
    return seal({name: [tag, unit.as_values()] for name, (tag, unit) in catalog.items()})


def catalog_from_bytes(document: bytes | None) -> Catalog:
    """The inverse of `catalog_as_bytes`; an empty one where it is missing or damaged."""
    values = unseal(document) or {}
    return {name: (tag, Unit.from_values(name, unit)) for name, (tag, unit) in values.items()}
