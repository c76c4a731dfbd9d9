"""Values of a query, read into what operations take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from litestar.exceptions import ValidationException

from tinyforge.clock import Moment, moment
from tinyforge.schedule.spec import EARLIEST, LATEST

W = TypeVar("W", bound=str)


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
