"""A strict reader of one JSON object (RFC 8259), for the lines that the fast path leaves over.

Python's `json` accepts NaN, stops at deep nesting and refuses integers of more than 4,300 digits;
none of these may decide whether a line counts, so values are walked here without recursion.
"""

import re
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class NotAnObject(ValueError):
    """The text is not one JSON object."""


@dataclass(frozen=True)
class Number:
    """A JSON number as written; `integer` is true when it has neither fraction nor exponent."""

    text: str
    integer: bool


class Nested:
    """Stands for an array or object, whose content no rule looks at."""


NESTED = Nested()
Value = str | Number | bool | Nested | None


def read_object(text: str) -> dict[str, Value]:
    """The members of the one object that the text is; of equal names the last counts.

    Raises:
        NotAnObject: The text is anything else.
    """
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise NotAnObject
    members: dict[str, Value] = {}
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        at += 1
    else:
        while True:
            name, at = _name(text, at)
            members[name], at = _value(text, at)
            at = _skip(text, at)
            if text[at : at + 1] == "}":
                at += 1
                break
            if text[at : at + 1] != ",":
                raise NotAnObject
            at = _skip(text, at + 1)
    if _skip(text, at) != len(text):
        raise NotAnObject
    return members


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _name(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        raise NotAnObject
    name, at = _string(text, at)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise NotAnObject
    return name, _skip(text, at + 1)


def _string(text: str, at: int) -> tuple[str, int]:
    try:
        value, end = scanstring(text, at + 1, True)
    except ValueError as error:
        raise NotAnObject from error
    return value, end


def _scalar(text: str, at: int) -> tuple[Value, int]:
    if text[at : at + 1] == '"':
        return _string(text, at)
    for word, value in _WORDS.items():
        if text.startswith(word, at):
            return value, at + len(word)
    match = _NUMBER.match(text, at)
    if match is None:
        raise NotAnObject
    return Number(match[0], match[1] is None and match[2] is None), match.end()


def _value(text: str, at: int) -> tuple[Value, int]:
    if text[at : at + 1] in ("{", "["):
        return NESTED, _nested(text, at)
    return _scalar(text, at)


def _nested(text: str, at: int) -> int:
    """Walk an array or object, with a stack of what closes it; return the place behind its end."""
    closers = bytearray()
    while True:
        # Here a value is due.
        opener = text[at : at + 1]
        if opener in ("{", "["):
            closer = "}" if opener == "{" else "]"
            at = _skip(text, at + 1)
            if text[at : at + 1] == closer:
                at += 1
            else:
                closers.append(ord(closer))
                if closer == "}":
                    _, at = _name(text, at)
                continue
        else:
            _, at = _scalar(text, at)
        # Here a value has ended: close what closes, until another value is due.
        while True:
            if not closers:
                return at
            at = _skip(text, at)
            mark = text[at : at + 1]
            closer = chr(closers[-1])
            if mark == closer:
                closers.pop()
                at += 1
            elif mark == ",":
                at = _skip(text, at + 1)
                if closer == "}":
                    _, at = _name(text, at)
                break
            else:
                raise NotAnObject
