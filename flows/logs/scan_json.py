"""One JSON value, walked by compiled code: strict (RFC 8259), and unsure of what is rare."""

from flows.logs.scan_values import COLON, DOT, MINUS, NINE, PLUS, UNKNOWN, ZERO, starts
from flows.machine_code.functions import Items, inlined

ABSENT, TEXT, ESCAPED, NUMBER, NULL, OTHER = 0, 1, 2, 3, 4, 5
"""What a value is: an escaped text holds a backslash; other are true, false, arrays, objects."""

QUOTE, BACKSLASH, COMMA = b'"\\,'
OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET = b"{}[]"
SPACE, TAB, CR = b" \t\r"
SMALL_A, SMALL_E, SMALL_F, SMALL_U = b"aefu"
LOWER = 32  # the bit that makes an ASCII letter small
_ESCAPES = tuple(b'"\\/bfnrt')
_NULL, _TRUE, _FALSE = tuple(b"null"), tuple(b"true"), tuple(b"false")
_MOST_DEPTH = 60


@inlined
def skip_space(data: Items, at: int) -> int:
    """The place behind spaces, tabs and CRs."""
    while data[at] == SPACE or data[at] == TAB or data[at] == CR:
        at += 1
    return at


@inlined
def text_end(data: Items, at: int) -> tuple[int, bool]:
    """Where the closing quote is of a string whose content starts here; whether it is escaped."""
    escaped = False
    while True:
        byte = data[at]
        if byte == QUOTE:
            return at, escaped
        if byte < 32:
            return UNKNOWN, False
        if byte == BACKSLASH:
            escaped = True
            at = _escape_end(data, at + 1)
            if at == UNKNOWN:
                return UNKNOWN, False
        else:
            at += 1


@inlined
def _escape_end(data: Items, at: int) -> int:
    mark = data[at]
    if mark == SMALL_U:
        return UNKNOWN if code_unit(data, at + 1) == UNKNOWN else at + 5
    for known in _ESCAPES:
        if mark == known:
            return at + 1
    return UNKNOWN


@inlined
def code_unit(data: Items, at: int) -> int:
    """What four hexadecimal digits stand for, or `UNKNOWN`."""
    unit = 0
    for offset in range(4):
        digit = data[at + offset]
        letter = digit | LOWER
        if ZERO <= digit <= NINE:
            unit = unit * 16 + digit - ZERO
        elif SMALL_A <= letter <= SMALL_F:
            unit = unit * 16 + letter - SMALL_A + 10
        else:
            return UNKNOWN
    return unit


@inlined
def _digits_end(data: Items, at: int) -> int:
    """The place behind one digit or more."""
    start = at
    while ZERO <= data[at] <= NINE:
        at += 1
    return UNKNOWN if at == start else at


@inlined
def _number_end(data: Items, at: int) -> int:
    if data[at] == MINUS:
        at += 1
    at = at + 1 if data[at] == ZERO else _digits_end(data, at)
    if at != UNKNOWN and data[at] == DOT:
        at = _digits_end(data, at + 1)
    if at != UNKNOWN and data[at] | LOWER == SMALL_E:
        at += 1
        if data[at] == PLUS or data[at] == MINUS:
            at += 1
        at = _digits_end(data, at)
    return at


@inlined
def _word_end(data: Items, at: int) -> tuple[int, int]:
    """The place behind `true`, `false` or `null`."""
    if starts(data, at, _NULL):
        return at + 4, NULL
    if starts(data, at, _TRUE):
        return at + 4, OTHER
    if starts(data, at, _FALSE):
        return at + 5, OTHER
    return UNKNOWN, OTHER


@inlined
def scalar_end(data: Items, at: int) -> tuple[int, int]:
    """The place behind a value that is no array or object, and what it is."""
    byte = data[at]
    if byte == QUOTE:
        end, escaped = text_end(data, at + 1)
        if end == UNKNOWN:
            return UNKNOWN, TEXT
        return end + 1, ESCAPED if escaped else TEXT
    if byte == MINUS or ZERO <= byte <= NINE:
        return _number_end(data, at), NUMBER
    return _word_end(data, at)


@inlined
def name_end(data: Items, at: int) -> int:
    """The place of the value behind a name and its colon; a name is walked, not read."""
    if data[at] != QUOTE:
        return UNKNOWN
    end, _ = text_end(data, at + 1)
    if end == UNKNOWN:
        return UNKNOWN
    at = skip_space(data, end + 1)
    if data[at] != COLON:
        return UNKNOWN
    return skip_space(data, at + 1)


@inlined
def nested_end(data: Items, at: int) -> int:
    """The place behind an array or object, which no rule looks into."""
    objects = 0  # a bit a level: whether it is an object
    depth = 0
    while True:
        # Here a value is due.
        byte = data[at]
        if byte == OPEN_BRACE or byte == OPEN_BRACKET:
            if depth == _MOST_DEPTH:
                return UNKNOWN
            is_object = byte == OPEN_BRACE
            at = skip_space(data, at + 1)
            if data[at] == (CLOSE_BRACE if is_object else CLOSE_BRACKET):
                at += 1
            else:
                objects = (objects << 1) | is_object
                depth += 1
                if is_object:
                    at = name_end(data, at)
                    if at == UNKNOWN:
                        return UNKNOWN
                continue
        else:
            at, _ = scalar_end(data, at)
            if at == UNKNOWN:
                return UNKNOWN
        # Here a value has ended: close what closes, until another value is due.
        while True:
            if depth == 0:
                return at
            at = skip_space(data, at)
            is_object = (objects & 1) == 1
            if data[at] == COMMA:
                at = skip_space(data, at + 1)
                if is_object:
                    at = name_end(data, at)
                    if at == UNKNOWN:
                        return UNKNOWN
                break
            if data[at] != (CLOSE_BRACE if is_object else CLOSE_BRACKET):
                return UNKNOWN
            at += 1
            objects >>= 1
            depth -= 1
