"""The account of lines: contract, section 5."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Counts:
    """What became of each line of an object, or of a kind of log.

    `lines = counted + duplicates + other_environment + anonymous + rejected`;
    `reasons` splits `rejected`.
    """

    lines: int = 0
    counted: int = 0
    duplicates: int = 0
    other_environment: int = 0
    anonymous: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def check(self, what: str) -> None:
        """Raise where the account does not add up: a defect of ours, never of the logs."""
        parts = self.counted + self.duplicates + self.other_environment
        parts += self.anonymous + self.rejected
        if self.lines != parts or self.rejected != sum(self.reasons.values()):
            raise AssertionError(f"the account of {what} does not add up: {asdict(self)}")

    @classmethod
    def total(cls, accounts: Iterable["Counts"]) -> "Counts":
        """The field-wise sum; duplicates stay those within the parts."""
        result, reasons = cls(), Counter[str]()
        for one in accounts:
            result.lines += one.lines
            result.counted += one.counted
            result.duplicates += one.duplicates
            result.other_environment += one.other_environment
            result.anonymous += one.anonymous
            result.rejected += one.rejected
            reasons.update(one.reasons)
        result.reasons = dict(sorted(reasons.items()))
        return result

    def deduplicated(self, distinct: int) -> "Counts":
        """The same lines with duplicates found across the parts, given the distinct records."""
        values = asdict(self)
        values.update(counted=distinct, duplicates=self.counted + self.duplicates - distinct)
        return Counts(**values)

    def as_json(self) -> dict[str, object]:
        """A JSON-able copy."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Counts":
        """The inverse of `as_json`."""
        return cls(**values)
