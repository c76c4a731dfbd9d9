"""The machine's time zone, by its IANA name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FOLDER = "zoneinfo/"
UNKNOWN = "UTC"


def machine_zone(environment: Mapping[str, str], root: Path = Path("/")) -> str:
    """Return what `TZ` says, else what the machine is set to, else UTC."""
    found = (name for name in _candidates(environment, root) if _is_known(name))
    return next(found, UNKNOWN)


def _candidates(environment: Mapping[str, str], root: Path) -> Iterator[str]:
    yield environment.get("TZ", "").removeprefix(":")
    try:
        yield str((root / "etc/localtime").readlink()).rpartition(FOLDER)[2]
    except OSError:
        yield ""
    try:
        yield (root / "etc/timezone").read_text().strip()
    except (OSError, ValueError):
        yield ""


def _is_known(name: str) -> bool:
    if name in {"", "localtime"} or name.startswith(("posix/", "right/")):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
