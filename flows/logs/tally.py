"""One object's account and its first rejects, while it is read."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flows.logs.counts import Counts
from flows.logs.verdicts import ANONYMOUS, COUNTED, DUPLICATE, OTHER_ENVIRONMENT, UNSURE

MOST_REJECTS = 1_000
MOST_REJECT_CHARACTERS = 1_000


@dataclass
class Tally:
    """The account of one object.

    Attributes:
        verdicts: How many lines a scan found to be what (verdicts.py); the reference reader adds
            what it finds of those that are UNSURE.
        reasons: How many lines were rejected for which reason.
        rejects: The first ones: line number, reason, start of the line.
    """

    verdicts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(UNSURE + 1, np.int64))
    reasons: dict[str, int] = field(default_factory=dict)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)

    def reject(self, line_number: int, reason: str, raw: bytes) -> None:
        """Book a line that is no valid record."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        start = raw[: 4 * MOST_REJECT_CHARACTERS].decode(errors="replace")
        text = start.replace("\0", "\ufffd")[:MOST_REJECT_CHARACTERS]
        self.rejects.append((line_number, reason, text))
        if len(self.rejects) > 4 * MOST_REJECTS:
            self.keep_first()

    def keep_first(self) -> None:
        """Forget all rejects but the first."""
        self.rejects = sorted(self.rejects)[:MOST_REJECTS]

    def counts(self, distinct: int) -> Counts:
        """The account, given how many distinct records were counted."""
        found = self.verdicts.tolist()
        valid, rejected = found[COUNTED] + found[DUPLICATE], sum(self.reasons.values())
        others, anonymous = found[OTHER_ENVIRONMENT], found[ANONYMOUS]
        return Counts(
            lines=valid + others + anonymous + rejected,
            counted=distinct,
            duplicates=valid - distinct,
            other_environment=others,
            anonymous=anonymous,
            rejected=rejected,
            reasons=dict(self.reasons),
        )
