"""A sweep that finds nothing due, over a few schedules and over very many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks import production, row_by_row
from benchmarks.figures import Baseline, Figure, Size, percentile
from benchmarks.fleet import Fleet, spread_over, write_fleet
from tinyforge.clock import HOUR
from tinyforge.server.assembly import Engine
from tinyforge.settings import Settings

DAYS = 86_400
TURN = 20  # sweeps of one place before those of the other


@dataclass(frozen=True, kw_only=True)
class Extent:
    few: int
    many: int
    sweeps: int


EXTENTS = {
    Size.FULL: Extent(few=1_000, many=1_000_000, sweeps=40_000),
    Size.QUICK: Extent(few=1_000, many=100_000, sweeps=20_000),
    Size.SMALLEST: Extent(few=10, many=200, sweeps=20),
}


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    counts = (extent.few, extent.many)
    spent = production.run(_swept([_written(folder, count) for count in counts], extent.sweeps))
    few, many = (_figure(folder, *found) for found in zip(counts, spent, strict=True))
    growth = Figure(
        what=f"the same, {extent.many:,} schedules against {extent.few:,}",
        value=many.value / few.value,
        unit="times",
        must=1.5,
        disk_counts=False,
    )
    return [few, many, growth]


def _written(folder: Path, schedules: int) -> Path:
    place = folder / str(schedules)
    fleet = Fleet(triggers=schedules, workloads=100, interval=24 * HOUR)
    write_fleet(place, fleet, lambda now: spread_over(schedules, now + HOUR, HOUR))
    return place


def _figure(folder: Path, schedules: int, spent: Sequence[float]) -> Figure:
    return Figure(
        what=f"idle sweep, {schedules:,} schedules, none due",
        value=median(spent),
        unit="µs",
        must=100,
        aim=20,
        disk_counts=False,
        baselines=[Baseline(name="row by row", value=_row_by_row(folder, schedules))],
        details={"p99_us": percentile(spent, 99)},
    )


async def _swept(places: Sequence[Path], sweeps: int) -> list[list[float]]:
    """Return microseconds of each sweep of each place; by turns, so that no minute favours one."""
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(production.opened(place, Settings(data=place)))
            for place in places
        ]
        for engine in engines:
            await engine.ticker.tick()
        spent: list[list[float]] = [[] for _ in engines]
        for _ in range(0, sweeps, TURN):
            for engine, found in zip(engines, spent, strict=True):
                found.extend([await _sweep(engine) for _ in range(TURN)])
        return spent


async def _sweep(engine: Engine) -> float:
    """Sweep, and look when the next is due, as the ticker does before it sleeps."""
    began = time.perf_counter_ns()
    await engine.ticker.tick()
    await engine.store.next_due_at()
    return (time.perf_counter_ns() - began) / 1e3


def _row_by_row(folder: Path, schedules: int) -> float:
    path = folder / "row-by-row.db"
    now = datetime.now(UTC)
    row_by_row.write_file(
        path, (now for _ in range(schedules)), interval=DAYS, bindings=1, history=0
    )
    db = row_by_row.open_file(path)
    began = time.perf_counter()
    row_by_row.sweep(db)
    took = time.perf_counter() - began
    db.close()
    path.unlink()
    return took * 1e6
