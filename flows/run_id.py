"""The id of a run: its rule and its default."""

import re
from datetime import datetime

MAX_INTEGER = 2**53 - 1
"""Prefect's server and browsers cannot carry larger numbers exactly."""
RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=@-]{0,127}")


def check_id(id: str | int | None, scheduled: datetime | None = None) -> str:
    """Return the id as a string.

    Args:
        id: The run's key. An integer is taken as its digits, because `prefect deployment run -p id=123` delivers one.
        scheduled: When the run is due; if the id is omitted, this date is used.

    Raises:
        ValueError: The id does not match the rule; the message shows it.
    """
    if id is None and scheduled is not None:
        return scheduled.date().isoformat()
    if isinstance(id, int) and id > MAX_INTEGER:
        raise ValueError(
            f"The id is too large for a number: an integer id is at most {MAX_INTEGER}. "
            "Quote larger ones: -p 'id=\"…\"'."
        )
    text = str(id) if isinstance(id, int) and not isinstance(id, bool) else id
    if not isinstance(text, str) or RULE.fullmatch(text) is None:
        raise ValueError(
            f"id {text!r:.200} is not a valid run id: it must match {RULE.pattern} "
            "(1 to 128 letters, digits or . _ : + = @ -, starting with a letter or digit)."
        )
    return text
