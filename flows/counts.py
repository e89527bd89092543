"""The account of lines: contract, section 5."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

PARTS = ("lines", "counted", "duplicates", "other_environment", "anonymous", "rejected")
# What each reason for a rejection means, in the order in which they are checked.
REASONS = {
    "not_utf8": "not UTF-8",
    "malformed": "not a JSON object, not five CSV fields, or too long",
    "missing_field": "a field is absent or null",
    "bad_timestamp": "not a possible date and time",
    "bad_user_id": "not a 64-bit integer",
    "bad_url": "not a string, empty, or too long",
    "bad_text": "not a string, or contains U+0000",
}


def in_order(reasons: Mapping[str, int]) -> dict[str, int]:
    return {reason: reasons[reason] for reason in (*REASONS, *reasons) if reason in reasons}


@dataclass(frozen=True)
class Counts:
    """What became of each line of an object, or of a kind of log.

    `lines = counted + duplicates + other_environment + anonymous + rejected`; `reasons` splits `rejected`.
    """

    lines: int = 0
    counted: int = 0
    duplicates: int = 0
    other_environment: int = 0
    anonymous: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """The reasons in words, such as `malformed 2, bad_url 1`."""
        return ", ".join(f"{reason} {number:,}" for reason, number in in_order(self.reasons).items())

    def __str__(self) -> str:
        parts = {part.replace("_", " "): getattr(self, part) for part in PARTS[1:]}
        terms = " + ".join(f"{number:,} {part}" for part, number in parts.items() if number) or "0"
        return f"{self.lines:,} lines = {terms}" + f" ({self.why})" * bool(self.reasons)

    def check(self, what: str) -> None:
        """Raise if the account does not add up: a bug here, never in the logs."""
        parts = sum(getattr(self, part) for part in PARTS[1:])
        if self.lines != parts or self.rejected != sum(self.reasons.values()):
            raise AssertionError(f"the account of {what} does not add up: {self}")

    @classmethod
    def of(cls, verdicts: Mapping[str, int], distinct: int) -> "Counts":
        """The account of an object.

        Args:
            verdicts: How many lines got which verdict: counted, other_environment, anonymous, or the reason for a
                rejection.
            distinct: How many distinct records the counted lines are.
        """
        reasons = {name: count for name, count in verdicts.items() if name not in PARTS}
        counted = verdicts.get("counted", 0)
        return cls(
            lines=sum(verdicts.values()),
            counted=distinct,
            duplicates=counted - distinct,
            other_environment=verdicts.get("other_environment", 0),
            anonymous=verdicts.get("anonymous", 0),
            rejected=sum(reasons.values()),
            reasons=reasons,
        )

    @classmethod
    def total(cls, accounts: Iterable["Counts"]) -> "Counts":
        """The sum; `duplicates` counts only duplicates within the parts."""
        sums, reasons = Counter[str](), Counter[str]()
        for one in accounts:
            sums.update({part: getattr(one, part) for part in PARTS})
            reasons.update(one.reasons)
        return cls(**{part: sums[part] for part in PARTS}, reasons=in_order(reasons))

    def deduplicated(self, distinct: int) -> "Counts":
        """The same lines with duplicates found across the parts, given the distinct records."""
        duplicates = self.counted + self.duplicates - distinct
        return replace(self, counted=distinct, duplicates=duplicates)
