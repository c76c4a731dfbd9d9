"""Everything is due at once: until it is recorded, with all its runs."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import apscheduler3, production, row_by_row
from benchmarks.cpu import Cpu
from benchmarks.figures import Baseline, Figure, Size
from benchmarks.fleet import NEWER, Fleet, spread_over, write_fleet
from tinyforge.clock import SECOND
from tinyforge.settings import Settings
from tinyforge.store.sqlite.connection import DATABASE, open_reader

SEEN = (
    "SELECT (SELECT count(*) FROM events WHERE id > ?1), (SELECT count(*) FROM runs WHERE id > ?1)"
)
LENGTH = 20 * SECOND
MUSTS = {1: 30_000, 3: 20_000}
AIMS = {1: 50_000}


@dataclass(frozen=True, kw_only=True)
class Extent:
    triggers: int
    workloads: int
    history: int
    times: int
    one_by_one: int  # fires of the ways that are slow


EXTENTS = {
    Size.FULL: Extent(
        triggers=100_000, workloads=10_000, history=1_000_000, times=5, one_by_one=5_000
    ),
    Size.QUICK: Extent(
        triggers=100_000, workloads=10_000, history=100_000, times=1, one_by_one=1_000
    ),
    Size.SMALLEST: Extent(triggers=300, workloads=30, history=100, times=1, one_by_one=20),
}


class Once(NamedTuple):
    per_second: float
    details: dict[str, float]


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    peer = apscheduler3.fires_per_second(folder, extent.one_by_one)
    return [_figure(folder, extent, bindings, peer) for bindings in MUSTS]


def _figure(folder: Path, extent: Extent, bindings: int, peer: list[Baseline]) -> Figure:
    all_ = [_once(folder / "burst", extent, bindings) for _ in range(extent.times)]
    middle = sorted(all_)[len(all_) // 2]
    plain = row_by_row.fires_per_second(folder, extent.one_by_one, bindings, extent.history)
    many = "binding" if bindings == 1 else "bindings each"
    return Figure(
        what=f"burst of {extent.triggers:,} due, {bindings} {many}",
        value=median(once.per_second for once in all_),
        unit="fires/s",
        more_is_better=True,
        must=MUSTS[bindings],
        aim=AIMS.get(bindings),
        must_ratio=8,
        baselines=[Baseline(name="row by row", value=plain), *(peer if bindings == 1 else ())],
        details=middle.details
        | {f"run_{n}": once.per_second for n, once in enumerate(all_, start=1)},
    )


def _once(folder: Path, extent: Extent, bindings: int) -> Once:
    fleet = Fleet(
        triggers=extent.triggers,
        workloads=extent.workloads,
        bindings=bindings,
        history=extent.history,
    )
    write_fleet(folder, fleet, lambda now: spread_over(fleet.triggers, now - LENGTH, LENGTH))
    try:
        return production.run(_sweep(folder, fleet))
    finally:
        shutil.rmtree(folder)


async def _sweep(folder: Path, fleet: Fleet) -> Once:
    """Sweep once over a new file; the clock stops when another connection sees everything."""
    reader = open_reader(folder / DATABASE)
    async with production.opened(folder, Settings(data=folder)) as engine:
        cpu, began = Cpu(), time.perf_counter()
        await engine.ticker.tick()
        while reader.execute(SEEN, (NEWER,)).fetchall() != [(fleet.triggers, fleet.runs)]:
            await asyncio.sleep(0.001)
        took = time.perf_counter() - began
        reader.close()
        return Once(fleet.triggers / took, cpu.each(fleet.triggers))
