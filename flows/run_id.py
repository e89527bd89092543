"""The parameters of a run: their labels in the UI's form, and the rule and the default of the id."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import Field

from flows.errors import ParameterError

MAX_INTEGER = 2**53 - 1
"""Prefect's server and browsers cannot carry larger numbers exactly."""
RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=@-]{0,127}")


# The labels and bounds of the form for a run in the UI. Prefect's server refuses other values before there is a run.
RunId = Annotated[
    str | Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None, Field(json_schema_extra={"title": "Run id"})
]
EnvironmentName = Annotated[str, Field(json_schema_extra={"title": "Environment"})]
Refresh = Annotated[bool, Field(json_schema_extra={"title": "Run a published id again"})]


def check_id(id: str | int | None, scheduled: datetime | None = None) -> str:
    """Return the id as a string.

    Args:
        id: The run's key. An integer is taken as its digits, because `prefect deployment run -p id=123` delivers one.
        scheduled: When the run is due; if the id is omitted, this date is used.

    Raises:
        ParameterError: The id does not match the rule; the message shows it.
    """
    if id is None and scheduled is not None:
        return scheduled.date().isoformat()
    if isinstance(id, int) and not isinstance(id, bool) and id > MAX_INTEGER:
        digits = id if id < 10**128 else "…"
        raise ParameterError(
            f"The id is too large for a number: an integer id is at most {MAX_INTEGER}. "
            f"Quote larger ones: -p 'id=\"{digits}\"'."
        )
    text = str(id) if isinstance(id, int) and not isinstance(id, bool) and id > -(2**63) else id
    if not isinstance(text, str) or RULE.fullmatch(text) is None:
        shown = "below 0" if isinstance(text, int) and text < 0 else f"{text!r:.200}"
        quote = f" Quote it: -p 'id=\"{shown}\"'." if isinstance(id, bool | float) else ""
        raise ParameterError(
            f"id {shown} is not a valid run id: it must match {RULE.pattern} "
            f"(1 to 128 letters, digits or . _ : + = @ -, starting with a letter or digit).{quote}"
        )
    return text
