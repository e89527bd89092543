"""The one timestamp format that logs may hold, read to microseconds since 1970 in UTC."""

import re
from datetime import date

_FORMAT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))?"
)
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = (date(9999, 12, 31).toordinal() - _EPOCH + 1) * 86_400_000_000 - 1


def read_timestamp(text: str) -> int | None:
    """Microseconds since 1970-01-01T00:00:00Z, or None where the text is no valid timestamp.

    The rule is the contract's, section 2: `YYYY-MM-DD`, `T` or a space, `HH:MM:SS`, an optional
    fraction (cut to microseconds), an optional `Z` or offset; no zone means UTC; what falls
    outside 1970 to 9999 in UTC is invalid.
    """
    match = _FORMAT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            return None
        offset = int(offset_hours) * 3_600 + int(offset_minutes) * 60
        seconds -= offset if sign == "+" else -offset
    microseconds = seconds * 1_000_000 + int((fraction or "")[:6].ljust(6, "0"))
    return microseconds if 0 <= microseconds <= _LAST else None
