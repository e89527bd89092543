"""Values of a record, read from the bytes of a line, by compiled code.

Each function is narrower than the contract, never wider: what it does not know for sure goes to
the reference reader (records.py). A line ends with a byte that ends every loop here.
"""

from flows.machine_code.functions import Items, inlined

UNKNOWN = -1
"""In place of an instant or a position: the reference reader is to decide."""

LF = 10
MINUS, PLUS, DOT, COLON, ZERO, NINE = b"-+.:09"
_T, _Z, _SPACE = b"TZ "
_LAST = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999, in microseconds since 1970
_MOST_DIGITS = 19
_TENTH = 2**63 // 10  # which another digit may make too large


@inlined
def line_end(data: Items, at: int) -> int:
    """Where the line's LF is."""
    while data[at] != LF:
        at += 1
    return at


@inlined
def is_utf8(data: Items, at: int) -> bool:
    """Whether the rest of the line is UTF-8 (RFC 3629, section 4)."""
    while data[at] != LF:
        byte = data[at]
        at += 1
        if byte < 0x80:
            continue
        if byte < 0xC2 or byte > 0xF4:
            return False
        behind = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
        # The second byte tells a character from a surrogate, from one written longer than it
        # need be, and from what is beyond Unicode.
        lowest = 0xA0 if byte == 0xE0 else 0x90 if byte == 0xF0 else 0x80
        highest = 0x9F if byte == 0xED else 0x8F if byte == 0xF4 else 0xBF
        if data[at] < lowest or data[at] > highest:
            return False
        for offset in range(1, behind):
            if data[at + offset] < 0x80 or data[at + offset] > 0xBF:
                return False
        at += behind
    return True


@inlined
def starts(data: Items, at: int, wanted: tuple[int, ...]) -> bool:
    """Whether these bytes start here."""
    for offset in range(len(wanted)):
        if data[at + offset] != wanted[offset]:
            return False
    return True


@inlined
def equal(data: Items, start: int, end: int, wanted: Items, size: int) -> bool:
    """Whether these bytes are the wanted ones."""
    if end - start != size:
        return False
    for offset in range(size):
        if data[start + offset] != wanted[offset]:
            return False
    return True


@inlined
def _two_digits(data: Items, at: int) -> int:
    tens, ones = data[at] - ZERO, data[at + 1] - ZERO
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -1
    return tens * 10 + ones


@inlined
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar; -1 where there is no such day of 1970 on.

    The year is taken to start in March, so that the leap day is its last: the days before a month
    are then (153 m + 2) // 5.
    """
    if year < 1970 or month < 1 or month > 12 or day < 1:
        return -1
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    if month == 2:
        last = 29 if leap else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        last = 30
    else:
        last = 31
    if day > last:
        return -1
    if month <= 2:
        year, month = year - 1, month + 12
    before = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5
    return before + day - 1 - 719_468  # the days from 0000-03-01 to 1970-01-01


@inlined
def instant(data: Items, start: int, end: int) -> int:
    """Microseconds since 1970 in UTC of a timestamp (contract, section 2), or `UNKNOWN`."""
    if end - start < 19:
        return UNKNOWN
    century, year = _two_digits(data, start), _two_digits(data, start + 2)
    month, day = _two_digits(data, start + 5), _two_digits(data, start + 8)
    hour, minute = _two_digits(data, start + 11), _two_digits(data, start + 14)
    second = _two_digits(data, start + 17)
    if century < 0 or year < 0 or month < 0 or day < 0 or hour < 0 or minute < 0 or second < 0:
        return UNKNOWN
    if hour > 23 or minute > 59 or second > 59:
        return UNKNOWN
    between = data[start + 10]
    if data[start + 4] != MINUS or data[start + 7] != MINUS:
        return UNKNOWN
    if between != _T and between != _SPACE:
        return UNKNOWN
    if data[start + 13] != COLON or data[start + 16] != COLON:
        return UNKNOWN
    days = _days(century * 100 + year, month, day)
    if days < 0:
        return UNKNOWN
    found = (days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000_000
    at = start + 19
    if at < end and data[at] == DOT:
        at += 1
        digits, unit = 0, 100_000
        while at < end and data[at] >= ZERO and data[at] <= NINE:
            found += (data[at] - ZERO) * unit
            unit //= 10
            at += 1
            digits += 1
        if digits == 0:
            return UNKNOWN
    if at == end or (at + 1 == end and data[at] == _Z):
        pass
    elif at + 6 == end and data[at + 3] == COLON:
        hours, minutes = _two_digits(data, at + 1), _two_digits(data, at + 4)
        if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
            return UNKNOWN
        offset = (hours * 3_600 + minutes * 60) * 1_000_000
        if data[at] == PLUS:
            found -= offset
        elif data[at] == MINUS:
            found += offset
        else:
            return UNKNOWN
    else:
        return UNKNOWN
    if found < 0 or found > _LAST:
        return UNKNOWN
    return found


@inlined
def integer(data: Items, start: int, end: int) -> tuple[bool, int]:
    """An integer in decimal; False where it is not surely one of `bigint`'s."""
    negative = start < end and data[start] == MINUS
    at = start + 1 if negative else start
    if at >= end or end - at > _MOST_DIGITS:
        return False, 0
    value = 0
    while at < end:
        digit = data[at] - ZERO
        if digit < 0 or digit > 9 or value >= _TENTH:
            return False, 0
        value = value * 10 + digit
        at += 1
    return True, -value if negative else value
