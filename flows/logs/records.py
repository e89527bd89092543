"""What a valid record is: the contract's table of reasons, one record at a time.

This is the reference. Compiled code (`scan_*.py`) answers for the plain records only, and leaves
every record over that it is not sure of; those come here.
"""

import re
from dataclasses import dataclass

from flows.logs.json_lines import NotAnObject, Number, Value, read_object
from flows.logs.timestamps import read_timestamp

REASONS = (
    "not_utf8",
    "malformed",
    "missing_field",
    "bad_timestamp",
    "bad_user_id",
    "bad_url",
    "bad_text",
)
USER_UPDATE_COLUMNS = ["updated_at", "user_id", "email", "name", "environment"]
MOST_URL_BYTES = 2_048

_DIGITS = re.compile(r"-?[0-9]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Rejected(Exception):
    """The record is not valid; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class PageView:
    """A valid page view; `at` in microseconds since 1970 UTC, `user_id` None for a visitor."""

    at: int
    url: str
    environment: str
    user_id: int | None


@dataclass(frozen=True)
class UserUpdate:
    """A valid user update; `at` in microseconds since 1970 UTC."""

    at: int
    user_id: int
    email: str
    name: str
    environment: str


def read_page_view(line: bytes) -> PageView:
    """Read one line of `PageViews/`.

    Raises:
        Rejected: The line is not a valid page view.
    """
    try:
        members = read_object(_text(line))
    except NotAnObject:
        raise Rejected("malformed") from None
    ts, url, environment, user = (
        members.get(name) for name in ("ts", "url", "environment", "user_id")
    )
    for value in (ts, url, environment, user):
        if isinstance(value, str) and _SURROGATE.search(value):
            raise Rejected("not_utf8")
    if ts is None or url is None or environment is None:
        raise Rejected("missing_field")
    at = read_timestamp(ts) if isinstance(ts, str) else None
    if at is None:
        raise Rejected("bad_timestamp")
    user_id = None if user is None or user == "" else _user_id(user)
    if not isinstance(url, str) or not 0 < len(url.encode()) <= MOST_URL_BYTES:
        raise Rejected("bad_url")
    if not isinstance(environment, str) or "\0" in url or "\0" in environment:
        raise Rejected("bad_text")
    return PageView(at, url, environment, user_id)


def read_user_update(raw: bytes, fields: list[bytes] | None) -> UserUpdate | None:
    """Read one record of `UserUpdates/`; None for a row that repeats the column names.

    Args:
        raw: The record as it stands in the object.
        fields: Its fields, or None where its quoting is broken.

    Raises:
        Rejected: The record is not a valid user update.
    """
    _text(raw)
    if fields is None or len(fields) != len(USER_UPDATE_COLUMNS):
        raise Rejected("malformed")
    updated_at, user, email, name, environment = texts = [field.decode() for field in fields]
    if texts == USER_UPDATE_COLUMNS:
        return None
    at = read_timestamp(updated_at)
    if at is None:
        raise Rejected("bad_timestamp")
    user_id = _user_id(user)
    if any("\0" in text for text in (email, name, environment)):
        raise Rejected("bad_text")
    return UserUpdate(at, user_id, email, name, environment)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Rejected("not_utf8") from None


def _user_id(value: Value) -> int:
    if isinstance(value, Number) and value.integer:
        text = value.text
    elif isinstance(value, str) and _DIGITS.fullmatch(value):
        text = value
    else:
        raise Rejected("bad_user_id")
    digits = text.lstrip("-").lstrip("0") or "0"
    # Python converts at most 4,300 digits; 19 are enough for any valid id.
    number = int(digits) if len(digits) <= 19 else 2**64
    number = -number if text.startswith("-") else number
    if not -(2**63) <= number < 2**63:
        raise Rejected("bad_user_id")
    return number
