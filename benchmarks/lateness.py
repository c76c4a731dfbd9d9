"""How long after its moment a window is recorded with its runs, while the runner works them.

The load is open: windows pass at their own moments, whatever the server is busy with. A window
counts as recorded when the commit that stores its event and its runs is over.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import apsw

from benchmarks import production, row_by_row
from benchmarks.cpu import Cpu
from benchmarks.figures import Baseline, Figure, Size, percentile
from benchmarks.fleet import NEWER, Fleet, spread_over, write_fleet
from tinyforge.clock import SECOND, Moment
from tinyforge.observe.events import Happening, SchedulesFired
from tinyforge.store.sqlite.connection import DATABASE, open_reader
from tinyforge.store.sqlite.parts import ask

INTERVAL = 10  # seconds, the shortest
PATIENCE = 30.0  # seconds, for runs that are left when the last window has passed
WATCHED_EVERY = 0.05  # seconds
LOOKED_EVERY = 0.5  # seconds: a look at all runs costs as much as many of them
MIB = 1024 * 1024
STORED = """
SELECT count(*), coalesce(sum(folded), 0) FROM events
WHERE id > ?1 AND window_at >= ?2 AND window_at < ?3"""
SUCCEEDED = """
SELECT count(*) FROM events e JOIN runs r ON r.event_id = e.id
WHERE e.id > ?1 AND e.window_at >= ?2 AND e.window_at < ?3 AND r.state = 4"""


@dataclass(frozen=True, kw_only=True)
class Extent:
    rates: tuple[int, ...]  # fires per second
    seconds: int
    before: int  # seconds for the server to be up before the first window
    workloads: int
    history: int
    one_by_one: int  # seconds of the plain way


EXTENTS = {
    Size.FULL: Extent(
        rates=(1_000, 10_000),
        seconds=60,
        before=8,
        workloads=10_000,
        history=1_000_000,
        one_by_one=10,
    ),
    Size.QUICK: Extent(
        rates=(1_000, 10_000), seconds=10, before=8, workloads=10_000, history=100_000, one_by_one=3
    ),
    Size.SMALLEST: Extent(
        rates=(50,), seconds=1, before=3, workloads=20, history=100, one_by_one=1
    ),
}
MUSTS = {1_000: {50: 5, 99: 25}, 10_000: {99: 100}}  # milliseconds, by percentile
AIMS = {10_000: {99: 30}}


@dataclass
class Probe:
    """Listens: which window was recorded when."""

    windows: array[int] = field(default_factory=lambda: array("q"))
    recorded: array[int] = field(default_factory=lambda: array("q"))

    def __call__(self, happening: Happening) -> None:
        if isinstance(happening, SchedulesFired):
            now = production.CLOCK.now()
            self.windows.extend([fired.window for fired in happening.fired])
            self.recorded.extend([now] * len(happening.fired))

    def late_by(self, begin: Moment, end: Moment, windows: int) -> list[float]:
        """Return milliseconds of lateness of the *windows* that lie in [begin, end).

        One that was never recorded by itself was at least as late as the end is past now.
        """
        pairs = zip(self.windows, self.recorded, strict=True)
        late = [(at - window) / 1e3 for window, at in pairs if begin <= window < end]
        at_least = (production.CLOCK.now() - end) / 1e3
        return late + [at_least] * (windows - len(late))


class Stretch(NamedTuple):
    begin: Moment
    end: Moment
    windows: int

    @property
    def span(self) -> tuple[int, Moment, Moment]:
        return NEWER, self.begin, self.end


class Found(NamedTuple):
    lateness: list[float]  # milliseconds
    at_the_end: list[float]  # in the last second: what falls behind is late there
    missing: int  # windows without an event of their own
    left: int  # runs that did not succeed
    details: dict[str, float]


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    return [figure for rate in extent.rates for figure in _figures(folder, extent, rate)]


def _figures(folder: Path, extent: Extent, rate: int) -> list[Figure]:
    found = _found(folder / "lateness", extent, rate)
    plain = _row_by_row(folder, rate, extent.one_by_one)
    what = f"{rate:,} fires/s for {extent.seconds} s"
    musts, aims = MUSTS.get(rate, {}), AIMS.get(rate, {})
    late = [
        Figure(
            what=f"{what}: lateness p{percent}",
            value=percentile(found.lateness, percent),
            unit="ms",
            must=musts.get(percent),
            aim=aims.get(percent),
            baselines=[Baseline(name="row by row", value=percentile(plain, percent))],
            details=found.details,
        )
        for percent in (50, 99)
    ]
    return [
        *late,
        Figure(what=f"{what}: lateness at most", value=max(found.lateness), unit="ms"),
        Figure(
            what=f"{what}: lateness p50, last second",
            value=percentile(found.at_the_end, 50),
            unit="ms",
            must=musts.get(99),
        ),
        _count(f"{what}: windows without an event", found.missing, "windows", 0),
        _count(f"{what}: runs left over", found.left, "runs", 0),
        _count(f"{what}: write-ahead log at most", found.details["wal_mib"], "MiB", 256),
    ]


def _count(what: str, value: float, unit: str, must: float) -> Figure:
    return Figure(what=what, value=value, unit=unit, must=must, disk_counts=False)


def _found(folder: Path, extent: Extent, rate: int) -> Found:
    triggers = rate * INTERVAL
    fleet = Fleet(
        triggers=triggers,
        workloads=extent.workloads,
        interval=INTERVAL * SECOND,
        history=extent.history,
    )
    due = write_fleet(
        folder,
        fleet,
        lambda now: spread_over(triggers, now + extent.before * SECOND, INTERVAL * SECOND),
    )
    begin = min(due)
    stretch = Stretch(begin, begin + extent.seconds * SECOND, rate * extent.seconds)
    try:
        return production.run(_served(folder, stretch))
    finally:
        shutil.rmtree(folder)


async def _served(folder: Path, stretch: Stretch) -> Found:
    probe, path = Probe(), folder / DATABASE
    async with production.served(folder, probe), _watching(path) as wal:
        if production.CLOCK.now() > stretch.begin:
            raise TimeoutError("the server was not up before the first window: try again")
        await _until(stretch.begin)
        cpu = Cpu()
        await _until(stretch.end)
        details = cpu.each(stretch.windows)
        reader = open_reader(path)
        details["settled_after_us"] = await _settled(reader, stretch) * 1e6
    details["wal_mib"] = wal[0] / MIB
    return _checked(reader, stretch, probe, details)


def _checked(
    reader: apsw.Connection, stretch: Stretch, probe: Probe, details: dict[str, float]
) -> Found:
    """Ask another connection whether every window has its event and a run that succeeded."""
    ((events, folded),) = ask(reader, STORED, stretch.span)
    ((succeeded,),) = ask(reader, SUCCEEDED, stretch.span)
    reader.close()
    rate = stretch.windows * SECOND // (stretch.end - stretch.begin)
    return Found(
        lateness=probe.late_by(stretch.begin, stretch.end, stretch.windows),
        at_the_end=probe.late_by(stretch.end - SECOND, stretch.end, rate),
        missing=stretch.windows - events,
        left=stretch.windows - succeeded,
        details={**details, "folded": folded},
    )


async def _until(moment: Moment) -> None:
    await asyncio.sleep(max(0, moment - production.CLOCK.now()) / SECOND)


async def _settled(reader: apsw.Connection, stretch: Stretch) -> float:
    """Wait until every window that counts has its run done; return how long that took."""
    began = time.perf_counter()
    while time.perf_counter() - began < PATIENCE:
        done = await asyncio.to_thread(ask, reader, SUCCEEDED, stretch.span)
        if done == [(stretch.windows,)]:
            break
        await asyncio.sleep(LOOKED_EVERY)
    return time.perf_counter() - began


@asynccontextmanager
async def _watching(database: Path) -> AsyncIterator[list[int]]:
    """Give the largest size of the write-ahead log in bytes, kept up to date."""
    path, most = database.with_name(f"{database.name}-wal"), [0]

    async def watch() -> None:
        while True:
            with suppress(FileNotFoundError):
                most[0] = max(most[0], path.stat().st_size)
            await asyncio.sleep(WATCHED_EVERY)

    task = asyncio.create_task(watch())
    try:
        yield most
    finally:
        task.cancel()


def _row_by_row(folder: Path, rate: int, seconds: int) -> list[float]:
    """Return the lateness in milliseconds of the plain way that sweeps every second."""
    path, late = folder / "row-by-row.db", list[float]()
    began_at = datetime.now(UTC) - timedelta(seconds=INTERVAL)
    step = timedelta(seconds=1) / rate
    last_fired = (began_at + step * n for n in range(rate * INTERVAL))
    row_by_row.write_file(path, last_fired, interval=INTERVAL, bindings=1, history=0)
    db = row_by_row.open_file(path)

    ends = time.perf_counter() + seconds

    def fired(due: datetime) -> None:
        late.append((datetime.now(UTC) - due) / timedelta(milliseconds=1))
        if time.perf_counter() > ends:
            raise TimeoutError

    with suppress(TimeoutError):
        while True:
            began = time.perf_counter()
            row_by_row.sweep(db, fired)
            time.sleep(max(0.0, began + 1 - time.perf_counter()))
    db.close()
    path.unlink()
    return late
