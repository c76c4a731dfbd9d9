"""Runs that cost nothing: from the queue to an outcome that is stored."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import production, row_by_row
from benchmarks.cpu import Cpu
from benchmarks.figures import Baseline, Figure, Size
from benchmarks.fleet import NEWER, Fleet, spread_over, write_fleet
from benchmarks.work import PATIENCE, SUCCEEDED, Probe
from tinyforge.clock import SECOND
from tinyforge.settings import Settings
from tinyforge.store.sqlite.connection import DATABASE, open_reader
from tinyforge.store.sqlite.parts import ask

AHEAD = 1_000  # runs leased before a worker is free
MUSTS = {AHEAD: 20_000, 0: 5_000}  # runs per second, by how many are leased ahead
AIMS = {AHEAD: 40_000}


@dataclass(frozen=True, kw_only=True)
class Extent:
    runs: int
    workloads: int
    one_by_one: int


EXTENTS = {
    Size.FULL: Extent(runs=100_000, workloads=10_000, one_by_one=5_000),
    Size.QUICK: Extent(runs=30_000, workloads=10_000, one_by_one=1_000),
    Size.SMALLEST: Extent(runs=100, workloads=30, one_by_one=20),
}


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    return [_figure(folder, extent, ahead) for ahead in MUSTS]


def _figure(folder: Path, extent: Extent, ahead: int) -> Figure:
    place = folder / "noop"
    fleet = Fleet(triggers=extent.runs, workloads=extent.workloads)
    write_fleet(place, fleet, lambda now: spread_over(extent.runs, now - SECOND, SECOND))
    try:
        per_second, details = production.run(_worked(place, extent.runs, ahead))
    finally:
        shutil.rmtree(place)
    leased = f"up to {ahead:,} leased ahead" if ahead else "none leased ahead"
    return Figure(
        what=f"no-op runs over {extent.workloads:,} workloads, {leased}",
        value=per_second,
        unit="runs/s",
        more_is_better=True,
        must=MUSTS[ahead],
        aim=AIMS.get(ahead),
        baselines=[Baseline(name="row by row", value=_row_by_row(folder, extent.one_by_one))],
        details=details,
    )


async def _worked(folder: Path, runs: int, ahead: int) -> tuple[float, dict[str, float]]:
    """Queue all runs, then begin to work; the clock stops when all outcomes are stored.

    Or after a while: the figure is then how many were.
    """
    probe = Probe(wanted=runs)
    async with production.opened(folder, Settings(data=folder), probe) as engine:
        engine.runner.floor.ahead = ahead
        await engine.ticker.tick()
        cpu, began = Cpu(), time.perf_counter()
        working = asyncio.create_task(engine.runner.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(probe.done.wait(), PATIENCE)
        took, ended = time.perf_counter() - began, len(probe.ended)
        details = {"runs": ended, **cpu.each(ended)}
        engine.runner.close()
        await working
        await engine.runner.drain(0)
    reader = open_reader(folder / DATABASE)
    ((succeeded,),) = ask(reader, SUCCEEDED, (NEWER,))
    reader.close()
    if succeeded < ended:
        raise AssertionError(f"{succeeded} of {ended} runs succeeded")
    return ended / took, details


def _row_by_row(folder: Path, runs: int) -> float:
    path = folder / "row-by-row.db"
    row_by_row.write_queue(path, runs)
    db = row_by_row.open_file(path)
    began = time.perf_counter()
    row_by_row.work(db, runs)
    took = time.perf_counter() - began
    db.close()
    path.unlink()
    return runs / took
