"""JSON documents that tell whether they are whole: the content, and its SHA-256."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def seal(content: Mapping[str, Any]) -> bytes:
    """The document of a JSON-able content; equal contents give equal bytes."""
    return _canonical({"content": content, "sha256": _sha256(content)})


def unseal(document: bytes | None) -> dict[str, Any] | None:
    """The content, or None where there is no document, or one that was cut or changed."""
    if document is None:
        return None
    try:
        values = json.loads(document)
        content: dict[str, Any] = values["content"]
        return content if values["sha256"] == _sha256(content) else None
    except (ValueError, KeyError, TypeError):
        return None


def _sha256(content: object) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
