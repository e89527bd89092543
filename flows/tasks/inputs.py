"""What a run counts: the extracts of its objects, downloaded as far as they are needed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.counting.incremental import find_days
from flows.counting.rejects import Rejects
from flows.counts import Counts
from flows.duck import DuckLimits
from flows.errors import ListAgain
from flows.extracts.accounts import check_rejected
from flows.extracts.plan import Plan
from flows.extracts.units import Place, Scope, StoredFile, Unit, index
from flows.logs.objects import KINDS, LogObject
from flows.logs.spans import merged, overlaps
from flows.storage.results import ResultsStorage
from flows.tasks.units import fetch, find_units

Places = Mapping[LogObject, Place]
"""Where the records of log objects are."""


@dataclass(frozen=True)
class Inputs:
    """The extracts of a run's objects.

    Attributes:
        storage: Where they are stored.
        scope: What they depend on besides the objects.
        places: Where the records of each object are.
        scratch: A folder for downloads.
    """

    storage: ResultsStorage
    scope: Scope
    places: Places
    scratch: Path
    limits: DuckLimits

    @classmethod
    def find(cls, storage: ResultsStorage, scope: Scope, plan: Plan, scratch: Path, limits: DuckLimits) -> "Inputs":
        """The extracts of a plan's objects, which are all parsed.

        Raises:
            ListAgain: An extract is missing or damaged.
        """
        units, _ = find_units(storage, scope, storage.list(scope.folder))
        found = index(units)
        places = {}
        for item in plan.objects:
            place = found.get((item.kind, item.key, item.etag))
            if place is None:
                raise ListAgain(f"The stored extract of {item.key!r} is missing or damaged.")
            places[item] = place
        return cls(storage, scope, places, scratch, limits)

    def check_rejected(self, ratio: float) -> None:
        """Raise if too many lines of a kind were rejected.

        Raises:
            LogsError: The error names the worst objects.
        """
        for kind in KINDS:
            accounts = {item.key: place.counts for item, place in self._of_kind(kind).items()}
            check_rejected(kind, accounts, ratio)

    def account(self, kind: str, distinct: int) -> Counts:
        """The account of a kind of log, given its number of distinct records."""
        total = Counts.total(place.counts for place in self._of_kind(kind).values())
        account = total.deduplicated(distinct)
        account.check(kind)
        return account

    def events(self, kind: str) -> dict[Path, Collection[int]]:
        """Files of all events of a kind, each with the numbers of objects that do not count."""
        numbers = defaultdict(set)
        units = {}
        for place in self._of_kind(kind).values():
            units[place.unit.manifest] = place.unit
            numbers[place.unit.manifest].add(place.number)
        paths = self._fetch((unit, unit.events) for unit in units.values())
        return {paths[unit.events.name]: set(range(len(unit.objects))) - numbers[name] for name, unit in units.items()}

    def added_events(self, kind: str, known: Collection[LogObject]) -> dict[Path, dict[int, bool]]:
        """Files of the events of added objects and of known ones that may contain the same records.

        Args:
            known: The objects that are not added.
        """
        places = self._of_kind(kind)
        added = [place for item, place in places.items() if item not in known]
        old = [place for item, place in places.items() if item in known]
        days = merged(find_days(self._roles(added, ()), self.limits))
        met = [place for place in old if place.span and overlaps(place.span, days)]
        return self._roles(added, met)

    def rejects(self, known: Collection[LogObject] = ()) -> Rejects:
        """Files of the rejects of all objects but the known ones, each with these objects' keys."""
        keys = defaultdict(list)
        units: dict[str, tuple[Unit, StoredFile]] = {}
        for item, place in self.places.items():
            if item not in known and place.unit.rejects is not None:
                units[place.unit.manifest] = (place.unit, place.unit.rejects)
                keys[place.unit.manifest].append(item.key)
        paths = self._fetch(units.values())
        return {paths[file.name]: keys[name] for name, (_, file) in units.items()}

    def _of_kind(self, kind: str) -> Places:
        return {item: place for item, place in self.places.items() if item.kind == kind}

    def _roles(self, added: Iterable[Place], known: Iterable[Place]) -> dict[Path, dict[int, bool]]:
        roles: dict[str, tuple[Unit, dict[int, bool]]] = {}
        for places, is_added in ((added, True), (known, False)):
            for place in places:
                if place.span is not None:
                    _, numbers = roles.setdefault(place.unit.manifest, (place.unit, {}))
                    numbers[place.number] = is_added
        paths = self._fetch((unit, unit.events) for unit, _ in roles.values())
        return {paths[unit.events.name]: numbers for unit, numbers in roles.values()}

    def _fetch(self, wanted: Iterable[tuple[Unit, StoredFile]]) -> dict[str, Path]:
        return fetch(self.storage, wanted, self.scratch)
