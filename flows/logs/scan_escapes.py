"""The text of a JSON string that holds escapes, made by compiled code: strict, as scan_json.py."""

from flows.logs.scan_json import BACKSLASH, QUOTE, SMALL_U, code_unit
from flows.logs.scan_values import UNKNOWN
from flows.machine_code.functions import Items, inlined

_MOST_OF_ONE = 4
_THEMSELVES = tuple(b'"\\/')
_OTHERS = tuple(b"bfnrt")
_STAND_FOR = tuple(b"\b\f\n\r\t")
_SURROGATE, _LOW_SURROGATE, _BEHIND_SURROGATES = 0xD800, 0xDC00, 0xE000
_BEYOND_UNITS = 0x10000


def room_for(most: int) -> int:
    """How many bytes `unescape` may write for a text of at most so many."""
    return most + _MOST_OF_ONE


@inlined
def _code_point(data: Items, at: int) -> tuple[int, int]:
    """The character of the escape whose mark, behind the backslash, is here; the place behind it.

    UNKNOWN for what is no escape, for U+0000 and for a surrogate without its other half.
    """
    mark = data[at]
    for known in _THEMSELVES:
        if mark == known:
            return known, at + 1
    for place in range(len(_OTHERS)):
        if mark == _OTHERS[place]:
            return _STAND_FOR[place], at + 1
    if mark != SMALL_U:
        return UNKNOWN, at
    point = code_unit(data, at + 1)
    if point <= 0:
        return UNKNOWN, at
    at += 5
    if point < _SURROGATE or point >= _BEHIND_SURROGATES:
        return point, at
    if point >= _LOW_SURROGATE or data[at] != BACKSLASH or data[at + 1] != SMALL_U:
        return UNKNOWN, at
    low = code_unit(data, at + 2)
    if low < _LOW_SURROGATE or low >= _BEHIND_SURROGATES:
        return UNKNOWN, at
    return _BEYOND_UNITS + ((point - _SURROGATE) << 10) + low - _LOW_SURROGATE, at + 6


@inlined
def _write(point: int, text: Items, place: int) -> int:
    """Write a character in UTF-8 (RFC 3629, section 3); give the place behind it."""
    if point < 0x80:
        text[place] = point
        return place + 1
    if point < 0x800:
        text[place] = 0xC0 | point >> 6
    else:
        if point < _BEYOND_UNITS:
            text[place] = 0xE0 | point >> 12
        else:
            text[place] = 0xF0 | point >> 18
            place += 1
            text[place] = 0x80 | point >> 12 & 0x3F
        place += 1
        text[place] = 0x80 | point >> 6 & 0x3F
    text[place + 1] = 0x80 | point & 0x3F
    return place + 2


@inlined
def unescape(data: Items, at: int, text: Items, start: int, most: int) -> int:
    """Write what the string stands for whose content starts here.

    Args:
        data: Lines.
        at: Behind the string's opening quote.
        text: Takes the text, in UTF-8.
        start: Where in it; there must be room for `room_for(most)` bytes.
        most: How many bytes the text may have.

    Returns:
        Where the text ends; or UNKNOWN: there is no string here, or its text is longer, or it
        holds U+0000 or half of a surrogate pair.
    """
    place = start
    while place - start <= most:
        byte = data[at]
        if byte == QUOTE:
            return place
        if byte < 32:
            break
        if byte == BACKSLASH:
            point, at = _code_point(data, at + 1)
            if point == UNKNOWN:
                break
            place = _write(point, text, place)
        else:
            text[place] = byte
            place, at = place + 1, at + 1
    return UNKNOWN
