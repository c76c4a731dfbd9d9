"""A real `tinyforge serve`: from its command to its first fire, and the memory that it takes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

import apsw

from benchmarks import row_by_row
from benchmarks.figures import Baseline, Figure, Size
from benchmarks.fleet import FIRST_TRIGGER, NEWER, Fleet, spread_over, write_fleet
from tinyforge.clock import HOUR, SECOND, SystemClock
from tinyforge.store.sqlite.connection import DATABASE, open_reader, open_writer

PATIENCE = 60.0  # seconds
LOOK_EVERY = 0.002
SETTLE = 1.0  # seconds from the time when it is ready to the look at its memory
FIRED = "SELECT count(*) FROM events WHERE id > ?"
STAMPED = "SELECT count(*) FROM runs"
MAKE_DUE = "UPDATE timing SET due_at = ?2, decided_until = ?2 - 1 WHERE trigger_id = ?1"
MEMORY = {"VmRSS": "rss", "RssAnon": "own", "RssFile": "mapped", "VmHWM": "most"}


@dataclass(frozen=True, kw_only=True)
class Extent:
    schedules: int
    times: int


EXTENTS = {
    Size.FULL: Extent(schedules=100_000, times=5),
    Size.QUICK: Extent(schedules=100_000, times=3),
    Size.SMALLEST: Extent(schedules=50, times=1),
}


class Started(NamedTuple):
    seconds: float
    memory: dict[str, float]  # MiB


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    place = folder / "start"
    fleet = Fleet(
        triggers=extent.schedules,
        workloads=100,
        interval=24 * HOUR,
        kind="command",
        config='{"command":["/bin/true"]}',
    )
    write_fleet(place, fleet, lambda now: spread_over(extent.schedules, now + HOUR, HOUR))
    all_ = [_serve(place, turn) for turn in range(extent.times)]
    plain = _row_by_row(folder, extent)
    shutil.rmtree(place)
    return _figures(extent, all_, plain)


def _figures(extent: Extent, all_: list[Started], plain: Started) -> list[Figure]:
    with_ = f"{extent.schedules:,} schedules"
    memory = {name: median(one.memory[name] for one in all_) for name in all_[0].memory}
    return [
        Figure(
            what=f"start to first fire, {with_}",
            value=median(one.seconds for one in all_),
            unit="s",
            must=1,
            aim=0.3,
            baselines=[Baseline(name="row by row", value=plain.seconds)],
            details={f"run_{n}": one.seconds for n, one in enumerate(all_, start=1)},
        ),
        Figure(
            what=f"resident memory, {with_}",
            value=memory["rss"],
            unit="MiB",
            must=150,
            aim=80,
            disk_counts=False,
            baselines=[Baseline(name="row by row", value=plain.memory["rss"])],
            details={f"{name}_mib": size for name, size in memory.items()},
        ),
    ]


def _serve(folder: Path, turn: int) -> Started:
    """Let one schedule be due, serve until it fired and all else is up, and end the server."""
    database, at = folder / DATABASE, SystemClock().now() - SECOND
    db = open_writer(database)
    db.execute(MAKE_DUE, (FIRST_TRIGGER + turn, at))
    db.close()
    reader = open_reader(database)
    ((before,),) = reader.execute(FIRED, (NEWER,)).fetchall()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(address := folder / "told"))
        told.settimeout(PATIENCE)
        words = ["-m", "tinyforge", "serve", "--data", str(folder), "--listen", "127.0.0.1:0"]
        began = time.perf_counter()
        with _process(words, NOTIFY_SOCKET=str(address)) as process:
            try:
                fired = _when(lambda: reader.execute(FIRED, (NEWER,)).fetchall() != [(before,)])
                told.recv(100)
                time.sleep(SETTLE)
                started = Started(fired - began, _memory(process.pid))
            finally:
                process.terminate()
    reader.close()
    address.unlink()
    return started


def _row_by_row(folder: Path, extent: Extent) -> Started:
    path = folder / "row-by-row.db"
    now = datetime.now(UTC)
    last_fired = (now - timedelta(days=n == 0) for n in range(extent.schedules))
    row_by_row.write_file(path, last_fired, interval=86_400, bindings=1, history=0)
    reader = apsw.Connection(str(path))
    began = time.perf_counter()
    with _process(["-m", "benchmarks.row_by_row", str(path)]) as process:
        try:
            fired = _when(lambda: reader.execute(STAMPED).fetchall() == [(1,)])
            time.sleep(SETTLE)
            started = Started(fired - began, _memory(process.pid))
        finally:
            process.terminate()
    reader.close()
    path.unlink()
    return started


def _process(words: list[str], **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _when(seen: Callable[[], bool]) -> float:
    """Return the moment at which *seen* is first true."""
    ends = time.perf_counter() + PATIENCE
    while not seen():
        if time.perf_counter() > ends:
            raise TimeoutError(f"nothing was fired within {PATIENCE:.0f} s")
        time.sleep(LOOK_EVERY)
    return time.perf_counter()


def _memory(pid: int) -> dict[str, float]:
    """Return MiB: resident in all, its own, mapped from files, and the most there was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[field].split()[0]) / 1024 for field, name in MEMORY.items()}
