"""Moments as people type them and as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from tinyforge.cli.failure import CalledWrongly
from tinyforge.clock import DAY, HOUR, MICROSECOND, MINUTE, SECOND, Micros, Moment, moment, utc
from tinyforge.schedule.words import duration

RELATIVE = re.compile(r"([+-])(.+)")
CLOCK_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
MILLISECOND: Micros = 1_000
DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
EXAMPLES = "'2026-01-05 12:00', 2026-01-05T12:00:00Z, now, today, yesterday, -2h or +1d"


def read_moment(text: str, now: Moment, *, in_utc: bool = False) -> Moment:
    """Read what a person typed; a time without an offset is local, or UTC when *in_utc*.

    In the hour that a clock shows twice it is the first; one it never shows is moved past the gap.
    """
    try:
        return _read(text.strip(), now, in_utc=in_utc)
    except (ValueError, OverflowError):
        if text.startswith("--"):
            raise CalledWrongly(f"there is no option {text}", "add --help to see all") from None
        raise CalledWrongly(f"{text!r} is not a time; write {EXAMPLES}") from None


def _read(text: str, now: Moment, *, in_utc: bool) -> Moment:
    if text == "now":
        return now
    if found := RELATIVE.fullmatch(text):
        length = duration(found[2])
        return in_range(now + length if found[1] == "+" else now - length)
    here = _shown(now, in_utc=in_utc)
    if text in DAYS:
        return _placed(datetime.combine(here.date() + timedelta(DAYS[text]), time()), in_utc=in_utc)
    if CLOCK_TIME.fullmatch(text):
        wall = time.fromisoformat(text.zfill(len("00:00:00") if text.count(":") > 1 else 5))
        return _placed(datetime.combine(here.date(), wall), in_utc=in_utc)
    typed = datetime.fromisoformat(text)
    return in_range(moment(typed)) if typed.tzinfo else _placed(typed, in_utc=in_utc)


def _placed(wall: datetime, *, in_utc: bool) -> Moment:
    if in_utc:
        return in_range(moment(wall.replace(tzinfo=UTC)))
    # Not astimezone(), which answers for the wrong side of a gap.
    seconds = int(wall.replace(microsecond=0).timestamp())
    return in_range(seconds * SECOND + wall.microsecond)


def in_range(at: Moment) -> Moment:
    utc(at)  # OverflowError before year 1 and after 9999
    return at


def _shown(at: Moment, *, in_utc: bool) -> datetime:
    return utc(at) if in_utc else utc(at).astimezone()


def show_moment(text: str | None, *, in_utc: bool = False) -> str:
    """Turn an RFC 3339 moment into `2026-01-05 12:00:00 CET`; `-` where there is none."""
    if text is None:
        return "-"
    at = datetime.fromisoformat(text)
    shown = at.astimezone(UTC) if in_utc else at.astimezone()
    return f"{shown:%Y-%m-%d %H:%M:%S %Z}"


def show_length(length: Micros | None) -> str:
    """Return the two largest parts of a length of time: `1h 5m`, `2.1s`, `35ms`."""
    if length is None:
        return "-"
    sign, length = ("-", -length) if length < 0 else ("", length)
    if length < SECOND - MILLISECOND // 2:
        return f"{sign}{length / MILLISECOND:.0f}ms"
    if length < MINUTE - SECOND // 20:
        return f"{sign}{length / SECOND:.1f}s"
    length += SECOND // 2
    units = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))
    parts = []
    for letter, unit in units:
        amount, length = divmod(length, unit)
        parts.append(f"{amount}{letter}" if amount else "")
    first = next(place for place, part in enumerate(parts) if part)
    return sign + " ".join(part for part in parts[first : first + 2] if part)


def between(start: str, end: str) -> Micros:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)) // MICROSECOND
