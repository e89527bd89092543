"""A run's plan: the log objects it was given, and the units of work that are still to do."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate, groupby

from flows.errors import LogsError
from flows.logs.objects import KINDS, PREFIXES, LogObject, fingerprint, pack
from flows.logs.sealed import seal, unseal

# A unit is what one extract holds, and what a crash loses at most: small objects share one.
UNIT_BYTES = 8 * 2**20
UNIT_OBJECTS = 500
# A part is what one task run does, with objects of one kind: orchestration costs per task run.
PART_BYTES = 2**30
# The last part is cut up, so that at the end no thread works long while others have nothing; but
# not too small, as a task run takes 30 ms beside its work.
_LAST_PIECES = 4
_PIECE_BYTES = 64 * 2**20
# A small object takes as long as so many bytes of a large one: it has to be asked for.
_OBJECT_BYTES = 2**19


@dataclass(frozen=True)
class Plan:
    """All objects of a listing, and the parts of the work on the new ones, each a list of units."""

    objects: list[LogObject]
    parts: list[list[list[LogObject]]]

    @property
    def fingerprint(self) -> str:
        """Of the inputs, not of the work."""
        return fingerprint(self.objects)

    @property
    def new_objects(self) -> int:
        """How many objects are still to be parsed."""
        return sum(len(unit) for part in self.parts for unit in part)

    def as_bytes(self) -> bytes:
        """The plan as stored."""
        return seal(asdict(self))

    @classmethod
    def from_bytes(cls, document: bytes | None) -> "Plan | None":
        """The inverse of `as_bytes`; None where the plan is missing or damaged."""
        values = unseal(document)
        if values is None:
            return None
        return cls(
            [LogObject(**item) for item in values["objects"]],
            [[[LogObject(**item) for item in unit] for unit in part] for part in values["parts"]],
        )


def make_plan(objects: Iterable[LogObject], known: Iterable[tuple[str, str, str]]) -> Plan:
    """Plan the work on the objects that are not known yet.

    Args:
        objects: A whole listing.
        known: (kind, key, ETag) of the object versions that are parsed already.
    """
    listed, done = sorted(objects), set(known)
    new = [item for item in listed if (item.kind, item.key, item.etag) not in done]
    # The user updates first: they are few, and last they would keep one core at work alone.
    parts = [
        part
        for kind in ("user_updates", "page_views")
        for part in _evenly([item for item in new if item.kind == kind], PART_BYTES)
    ]
    if parts:
        parts[-1:] = _pieces(parts[-1])
    return Plan(listed, [list(pack(part, UNIT_BYTES, UNIT_OBJECTS)) for part in parts])


def _evenly(objects: list[LogObject], size: int) -> Iterator[list[LogObject]]:
    """Cut objects up evenly by weight, into as few groups as it takes for about a size at most.

    Were all but the last group full, the last could be small, and a thread would be left to work
    on a full one alone.
    """
    ends = list(accumulate(map(_weight, objects)))
    total = ends[-1] if ends else 0
    count = -(-total // size)

    def group(placed: tuple[int, LogObject]) -> int:
        # By an object's middle.
        end, item = placed
        return (2 * end - _weight(item)) * count // (2 * total)

    for _, items in groupby(zip(ends, objects, strict=True), group):
        yield [item for _, item in items]


def _pieces(part: list[LogObject]) -> Iterator[list[LogObject]]:
    """Cut the last part up, into no more pieces than it needs."""
    return _evenly(part, max(_PIECE_BYTES, -(-sum(map(_weight, part)) // _LAST_PIECES)))


def _weight(item: LogObject) -> int:
    return max(item.size, _OBJECT_BYTES)


def check_listing(objects: Iterable[LogObject], where: str) -> None:
    """Raise where a kind has no log at all.

    Args:
        objects: A whole listing.
        where: The bucket and prefix, for the message.

    Raises:
        LogsError: Names the empty prefixes.
    """
    found = {item.kind for item in objects}
    empty = [PREFIXES[kind] for kind in KINDS if kind not in found]
    if empty:
        raise LogsError(
            f"There is no log under {' nor under '.join(empty)} in {where}. Nothing was published: "
            "check LOGS_BUCKET and LOGS_PREFIX of the environment, or wait for the first logs."
        )
