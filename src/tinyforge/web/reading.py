"""Values of a query, read into what operations take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from litestar.exceptions import ValidationException

from tinyforge.clock import Micros, Moment, moment
from tinyforge.operations.waiting import LONGEST_WAIT
from tinyforge.schedule.spec import EARLIEST, LATEST
from tinyforge.schedule.words import duration

W = TypeVar("W", bound=str)
MOST_DIGITS = 18


def one_of(key: str, text: str | None, known: Sequence[W]) -> W | None:
    """Read one of a few words."""
    if text is None:
        return None
    for word in known:
        if word == text:
            return word
    message = f"{text[:80]!r} is none of {', '.join(known)}"
    raise ValidationException(extra=[{"key": key, "message": message}])


def moment_of(key: str, text: str | None) -> Moment | None:
    """Read RFC 3339 with an offset, of 1973 to 2999."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        at = moment(found) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        at = None
    if at is None or not EARLIEST <= at <= LATEST:
        message = f"{text[:80]!r} is no moment of 1973 to 2999 such as 2026-01-05T12:00:00Z"
        raise ValidationException(extra=[{"key": key, "message": message}])
    return at


def truth_of(key: str, text: str | None) -> bool | None:
    word = one_of(key, text, ("true", "false"))
    return None if word is None else word == "true"


def length_of(key: str, text: str | None) -> Micros | None:
    """Read how long to wait, up to 15 minutes."""
    if text is None:
        return None
    try:
        found = duration(text)
    except ValueError:
        found = -1
    if not 0 < found <= LONGEST_WAIT:
        message = f"{text[:80]!r} is no length of time up to 15m, such as 30s or 5m"
        raise ValidationException(extra=[{"key": key, "message": message}])
    return found


def number_of(key: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS):
        message = f"{text[:80]!r} is no id of this stream"
        raise ValidationException(extra=[{"key": key, "message": message}])
    return int(text)
