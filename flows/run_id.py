"""The caller's run key: its rule, its one spelling, and its default."""

import re
from datetime import datetime

RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=@-]{0,127}")


def check_id(id: str | int | None, scheduled: datetime | None = None) -> str:
    """Return the id as a string, or say what an id may be.

    Args:
        id: The caller's run key. An integer is taken as its digits, because
            `prefect deployment run -p id=123` delivers one.
        scheduled: When the run was due; its date is the id where none is given.

    Raises:
        ValueError: The id is not of the form that `RULE` spells.
    """
    if id is None and scheduled is not None:
        return scheduled.date().isoformat()
    text = str(id) if isinstance(id, int) and not isinstance(id, bool) else id
    if not isinstance(text, str) or RULE.fullmatch(text) is None:
        raise ValueError(
            f"id {text!r:.200} is not a valid run id: it must match {RULE.pattern} "
            "(1 to 128 letters, digits or . _ : + = @ -, starting with a letter or digit)."
        )
    return text
