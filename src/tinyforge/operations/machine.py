"""What can be wrong with the machine around a server: disk, files, clock, zone data."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyforge.clock import Micros, Moment, rfc3339, utc
from tinyforge.operations.answering import length
from tinyforge.operations.answers import CheckView

MIB = 1024 * 1024
LITTLE_SPACE, NO_SPACE = 512 * MIB, 64 * MIB
LARGE_WAL = 256 * MIB
OTHERS = stat.S_IRWXG | stat.S_IRWXO
STEP_BACK: Micros = 2_000_000
ZONE_DATA_YEARS = 2


def disk(data: Path) -> CheckView:
    free = shutil.disk_usage(data).free
    what = f"{free // MIB} MiB are free where {data} lies"
    if free >= LITTLE_SPACE:
        return CheckView(name="disk", verdict="ok", what=what)
    return CheckView(
        name="disk",
        verdict="fail" if free < NO_SPACE else "warn",
        what=f"{what}; when it is full nothing fires",
        fix="make room there, or shorten what is kept: tinyforge serve --keep-history 30d",
    )


def files(expected: Sequence[tuple[Path, int]]) -> Iterator[CheckView]:
    """Judge who may read and write what is stored."""
    for path, wanted in expected:
        if not path.exists():
            yield CheckView(
                name="files",
                verdict="fail",
                what=f"{path} does not exist",
                fix="give --data the right folder, or begin with this one: tinyforge serve",
            )
            continue
        found = path.stat()
        if found.st_mode & OTHERS:
            yield CheckView(
                name="files",
                verdict="warn",
                what=f"other users may get at {path} (mode {stat.S_IMODE(found.st_mode):o})",
                fix=f"chmod {wanted:o} {path}",
            )
        elif not os.access(path, os.R_OK | os.W_OK):
            yield CheckView(
                name="files",
                verdict="fail",
                what=f"{path} cannot be written by this user",
                fix=f"run the command as the user who owns it: ls -ld {path}",
            )
        else:
            yield CheckView(name="files", verdict="ok", what=f"{path} is this user's alone")


def wal(database: Path) -> CheckView:
    """Judge the write-ahead log, which a reader that never ends lets grow."""
    path = database.with_name(database.name + "-wal")
    size = path.stat().st_size if path.exists() else 0
    what = f"the write-ahead log has {size // MIB} MiB"
    if size < LARGE_WAL:
        return CheckView(name="wal", verdict="ok", what=what)
    return CheckView(
        name="wal",
        verdict="warn",
        what=f"{what}: another program reads the file without an end",
        fix=f"find it and end it: fuser -v {database}",
    )


def clock(now: Moment, high_water: Moment) -> CheckView:
    behind = high_water - now
    if behind <= STEP_BACK:
        return CheckView(name="clock", verdict="ok", what=f"it is {rfc3339(now)}")
    return CheckView(
        name="clock",
        verdict="fail",
        what=f"it is {length(behind)} behind {rfc3339(high_water)}, where it has been before",
        fix="timedatectl status",
    )


def zone_data(version: str, now: Moment) -> CheckView:
    year = version[:4]
    what = f"time zones are those of {version}"
    if not year.isdigit() or utc(now).year - int(year) < ZONE_DATA_YEARS:
        return CheckView(name="zone data", verdict="ok", what=what)
    return CheckView(
        name="zone data",
        verdict="warn",
        what=f"{what}, and zones change every year",
        fix="pip install --upgrade tzdata, and upgrade the system's tzdata",
    )
