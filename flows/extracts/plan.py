"""A run's plan: its log objects, and the units that are still to be extracted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby

from flows.errors import LogsError
from flows.logs.objects import KINDS, PREFIXES, LogObject, fingerprint, pack

# One extract contains one unit. A crash loses at most the units in progress. Small objects share one.
UNIT_BYTES = 8 * 2**20
UNIT_OBJECTS = 500
# A part is what one task run extracts, of one kind: Prefect takes time for each task run.
PART_BYTES = 2**30
MIN_PART_BYTES = 32 * 2**20
# Requesting a small object takes as long as reading this many bytes.
_OBJECT_BYTES = 2**19


@dataclass(frozen=True)
class Part:
    """The work of one task run: units of one kind of log."""

    kind: str
    units: list[list[LogObject]]


@dataclass(frozen=True)
class Plan:
    """All objects of a listing, and the parts of the work on the new ones."""

    objects: list[LogObject]
    parts: list[Part]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the inputs; the work does not change it."""
        return fingerprint(self.objects)

    @property
    def new_objects(self) -> int:
        """The number of objects that are not parsed yet."""
        return sum(len(unit) for part in self.parts for unit in part.units)


def make_plan(objects: Iterable[LogObject], known: Iterable[tuple[str, str, str]], workers: int) -> Plan:
    """Plan the work on the objects that are not parsed yet.

    Args:
        objects: A whole listing.
        known: (kind, key, ETag) of the object versions that are parsed already.
        workers: How many parts are worked on at the same time.
    """
    listed, done = sorted(objects), set(known)
    new = [item for item in listed if (item.kind, item.key, item.etag) not in done]
    parts = [
        Part(kind, list(pack(some, UNIT_BYTES, UNIT_OBJECTS)))
        # User updates first: they are few, and at the end they would keep one core busy alone.
        for kind in ("user_updates", "page_views")
        for some in _evenly([item for item in new if item.kind == kind], workers)
    ]
    return Plan(listed, parts)


def _evenly(objects: list[LogObject], workers: int) -> Iterator[list[LogObject]]:
    """Split objects by weight into as many even parts as keep all workers busy to the end."""
    ends = list(accumulate(map(_weight, objects)))
    total = ends[-1] if ends else 0
    count = max(-(-total // PART_BYTES), min(workers, -(-total // MIN_PART_BYTES)))
    if count > workers:
        count = -(-count // workers) * workers

    def part_of(placed: tuple[int, LogObject]) -> int:
        # By the middle of the object.
        end, item = placed
        return (2 * end - _weight(item)) * count // (2 * total)

    for _, items in groupby(zip(ends, objects, strict=True), part_of):
        yield [item for _, item in items]


def _weight(item: LogObject) -> int:
    return max(item.size, _OBJECT_BYTES)


def check_listing(objects: Iterable[LogObject], where: str) -> None:
    """Raise if a kind of log has no object at all.

    Args:
        objects: A whole listing.

    Raises:
        LogsError: Names the empty prefixes.
    """
    found = {item.kind for item in objects}
    empty = [PREFIXES[kind] for kind in KINDS if kind not in found]
    if empty:
        raise LogsError(
            f"There are no logs under {' or '.join(empty)} in {where}. Nothing was published: "
            "check LOGS_BUCKET and LOGS_PREFIX of the environment, or wait for the first logs."
        )
