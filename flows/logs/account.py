"""The account of a run, and the check that it is good enough to publish."""

from collections.abc import Mapping

from flows.errors import LogsError
from flows.logs.counts import Counts
from flows.logs.objects import PREFIXES


def check_rejected(kind: str, objects: Mapping[str, Counts], most: float) -> None:
    """Raise where too many lines of a kind were rejected; the worst objects are named.

    Args:
        kind: The kind of log.
        objects: Each object's account by its key.
        most: The environment's max_rejected_ratio.

    Raises:
        LogsError: rejected / lines is greater than `most`.
    """
    total = Counts.total(objects.values())
    if total.lines == 0 or total.rejected / total.lines <= most:
        return
    worst = sorted(
        ((key, counts) for key, counts in objects.items() if counts.rejected),
        key=lambda pair: (-pair[1].rejected, pair[0]),
    )
    named = "; ".join(
        f"{key!r} with {counts.rejected:,} of {counts.lines:,} ({_reasons(counts)})"
        for key, counts in worst[:5]
    )
    raise LogsError(
        f"{total.rejected:,} of {total.lines:,} lines under {PREFIXES[kind]} were rejected "
        f"({total.rejected / total.lines:.1%}), more than max_rejected_ratio allows ({most:.1%}). "
        f"Nothing was published. The worst of {len(worst)} objects: {named}. Mend or take away "
        "these objects, or raise MAX_REJECTED_RATIO, and run the same id again."
    )


def _reasons(counts: Counts) -> str:
    by_count = sorted(counts.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{reason} {number:,}" for reason, number in by_count)
