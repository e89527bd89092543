"""The check that a run's account is good enough to publish."""

from collections.abc import Mapping

from flows.counts import Counts
from flows.errors import LogsError
from flows.logs.objects import PREFIXES

_NOT_UTF8 = "Objects with not_utf8 look compressed (name them .gz or .zst), or are not UTF-8 text (convert them). "


def check_rejected(kind: str, objects: Mapping[str, Counts], ratio: float) -> None:
    """Raise if too many lines of a kind were rejected; the worst objects are named.

    Args:
        objects: Each object's account by its key.
        ratio: The environment's max_rejected_ratio.

    Raises:
        LogsError: rejected / lines is greater than `ratio`.
    """
    total = Counts.total(objects.values())
    if total.lines == 0 or total.rejected / total.lines <= ratio:
        return
    worst = sorted(
        ((key, counts) for key, counts in objects.items() if counts.rejected),
        key=lambda pair: (-pair[1].rejected, pair[0]),
    )
    named = "; ".join(
        f"{key!r} with {counts.rejected:,} of {counts.lines:,} ({counts.why})" for key, counts in worst[:5]
    )
    raise LogsError(
        f"{total.rejected:,} of {total.lines:,} lines under {PREFIXES[kind]} were rejected "
        f"({100 * total.rejected / total.lines:.3g} %), more than max_rejected_ratio allows ({100 * ratio:.3g} %). "
        f"Nothing was published. The worst objects: {named}. "
        f"{_NOT_UTF8 if any('not_utf8' in counts.reasons for _, counts in worst[:5]) else ''}Fix or remove "
        "these objects, or raise MAX_REJECTED_RATIO, and run the same id again."
    )
