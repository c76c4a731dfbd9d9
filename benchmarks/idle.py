"""A sweep that finds nothing due, over a few schedules and over very many."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks import production, row_by_row
from benchmarks.cpu import Cpu
from benchmarks.figures import Baseline, Figure, Size, percentile
from benchmarks.fleet import Fleet, spread_over, write_fleet
from tinyforge.clock import HOUR
from tinyforge.settings import Settings

DAYS = 86_400


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
    few = _figure(folder, extent.few, extent.sweeps)
    many = _figure(folder, extent.many, extent.sweeps)
    growth = Figure(
        what=f"the same, {extent.many:,} schedules against {extent.few:,}",
        value=many.value / few.value,
        unit="times",
        must=1.5,
        disk_counts=False,
    )
    return [few, many, growth]


def _figure(folder: Path, schedules: int, sweeps: int) -> Figure:
    place = folder / str(schedules)
    fleet = Fleet(triggers=schedules, workloads=100, interval=24 * HOUR)
    write_fleet(place, fleet, lambda now: spread_over(schedules, now + HOUR, HOUR))
    spent, details = production.run(_sweeps(place, sweeps))
    return Figure(
        what=f"idle sweep, {schedules:,} schedules, none due",
        value=median(spent),
        unit="µs",
        must=100,
        aim=20,
        disk_counts=False,
        baselines=[Baseline(name="row by row", value=_row_by_row(folder, schedules))],
        details={"p99_us": percentile(spent, 99), **details},
    )


async def _sweeps(folder: Path, sweeps: int) -> tuple[list[float], dict[str, float]]:
    """Sweep, and look when the next is due, as the ticker does before it sleeps."""
    spent = []
    async with production.opened(folder, Settings(data=folder)) as engine:
        await engine.ticker.tick()
        cpu = Cpu()
        for _ in range(sweeps):
            began = time.perf_counter_ns()
            await engine.ticker.tick()
            await engine.store.next_due_at()
            spent.append((time.perf_counter_ns() - began) / 1e3)
        return spent, cpu.each(sweeps)


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
