"""JSON documents with a checksum: the content and its SHA-256."""

import hashlib
import json
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

T = TypeVar("T")


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))


def seal(value: object) -> bytes:
    """The document of a value; equal values give equal bytes."""
    content = to_jsonable_python(value)
    return _canonical({"content": content, "sha256": _sha256(content)})


def unseal(kind: type[T], document: bytes | None) -> T | None:
    """The value; None if there is no document, or a damaged one."""
    if document is None:
        return None
    try:
        values = json.loads(document)
        if values["sha256"] != _sha256(values["content"]):
            return None
        value: T = _adapter(cast(Hashable, kind)).validate_python(values["content"])
        return value
    except (ValueError, KeyError, TypeError):
        return None


def _sha256(content: object) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
