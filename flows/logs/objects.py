"""Log objects: which keys are logs, of which kind, and how they are named and grouped."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PREFIXES = {"page_views": "PageViews/", "user_updates": "UserUpdates/"}
KINDS = tuple(PREFIXES)


@dataclass(frozen=True, order=True)
class LogObject:
    """One version of one log object.

    Attributes:
        kind: `page_views` or `user_updates`.
        key: The full key in the logs bucket.
        etag: S3's ETag without quotes; together with the key it names the version.
        size: Bytes as stored.
    """

    kind: str
    key: str
    etag: str
    size: int


def is_log(key: str) -> bool:
    """Whether a key under a log prefix is a log: no folder, and its name does not start with . or _."""
    name = key.rsplit("/", 1)[-1]
    return name != "" and name[0] not in "._"


def fingerprint(objects: Iterable[LogObject]) -> str:
    """The hash of the sorted (key, ETag) pairs: equal for equal inputs, in any order (hex)."""
    return _digest(sorted([o.key, o.etag] for o in objects))


def unit_name(objects: Iterable[LogObject], scope: str) -> str:
    """The name of the unit of these object versions, derived from its content."""
    return _digest([scope, *sorted([o.kind, o.key, o.etag] for o in objects)])[:40]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def pack(objects: Iterable[LogObject], max_bytes: int, max_objects: int) -> Iterator[list[LogObject]]:
    """Group objects of one kind, in key order, up to a size; a large object is alone in its group.

    Args:
        max_bytes: Stored bytes of a group, unless it is one object.
    """
    group: list[LogObject] = []
    size = 0
    for item in sorted(objects):
        full = size + item.size > max_bytes or len(group) >= max_objects
        if group and (full or group[0].kind != item.kind):
            yield group
            group, size = [], 0
        group.append(item)
        size += item.size
    if group:
        yield group
