"""Values of a query, read into what operations take."""

from __future__ import annotations

from datetime import datetime

from litestar.exceptions import ValidationException

from tinyforge.clock import Moment, moment
from tinyforge.schedule.spec import EARLIEST, LATEST


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
