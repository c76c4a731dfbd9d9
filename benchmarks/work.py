"""Two hundred workloads that take 50 ms each, all due at the same moment."""

from __future__ import annotations

import asyncio
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import production, row_by_row
from benchmarks.figures import Baseline, Figure, Size
from benchmarks.fleet import NEWER, Fleet, write_fleet
from tinyforge.clock import HOUR, SECOND, Micros, Moment
from tinyforge.observe.events import Happening, RunsEnded
from tinyforge.store.sqlite.connection import DATABASE, open_reader

NAP = 0.05  # seconds
CONCURRENCY = 256
START: Micros = 3 * SECOND  # for the server to be up before the first of them is due
APART: Micros = 2 * SECOND
PATIENCE = 30.0  # seconds
SUCCEEDED = "SELECT count(*) FROM runs WHERE id > ? AND state = 4"


@dataclass(frozen=True, kw_only=True)
class Extent:
    due: int
    times: int
    one_by_one: int  # of the plain way, extrapolated to as many as are due


EXTENTS = {
    Size.FULL: Extent(due=200, times=5, one_by_one=200),
    Size.QUICK: Extent(due=200, times=3, one_by_one=20),
    Size.SMALLEST: Extent(due=10, times=1, one_by_one=2),
}


@dataclass
class Probe:
    """Listens: when the outcome of each run was stored."""

    ended: array[int] = field(default_factory=lambda: array("q"))
    wanted: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, happening: Happening) -> None:
        if isinstance(happening, RunsEnded):
            self.ended.extend([production.CLOCK.now()] * len(happening.runs))
            if len(self.ended) >= self.wanted:
                self.done.set()


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    place = folder / "work"
    fleet = Fleet(
        triggers=extent.due * extent.times,
        workloads=extent.due,
        interval=HOUR,
        kind="nap",
        config=f'{{"seconds":"{NAP}"}}',
    )
    due = write_fleet(place, fleet, lambda now: _due(extent, now + START))
    took = production.run(_served(place, due, extent))
    return [
        Figure(
            what=f"{extent.due} due x {NAP * 1e3:.0f} ms of work, concurrency {CONCURRENCY}",
            value=median(took),
            unit="ms",
            must=150,
            aim=65,
            baselines=[Baseline(name="one after the other", value=_row_by_row(folder, extent))],
            details={f"run_{n}": one for n, one in enumerate(took, start=1)},
        )
    ]


def _due(extent: Extent, begin: Moment) -> list[Moment]:
    return [begin + APART * turn for turn in range(extent.times) for _ in range(extent.due)]


async def _served(folder: Path, due: list[Moment], extent: Extent) -> list[float]:
    """Return milliseconds from the due moment to the last outcome stored, of each turn."""
    probe = Probe(wanted=len(due))
    async with production.served(folder, probe, concurrency=CONCURRENCY):
        if production.CLOCK.now() > due[0]:
            raise TimeoutError("the server was not up before the first was due: try again")
        await asyncio.wait_for(probe.done.wait(), PATIENCE + (due[-1] - due[0]) / SECOND)
    reader = open_reader(folder / DATABASE)
    ((succeeded,),) = reader.execute(SUCCEEDED, (NEWER,)).fetchall()
    reader.close()
    if succeeded != len(due):
        raise AssertionError(f"{succeeded} of {len(due)} runs succeeded")
    ends = sorted(probe.ended)
    last = range(extent.due - 1, len(due), extent.due)
    return [(ends[n] - due[n]) / 1e3 for n in last]


def _row_by_row(folder: Path, extent: Extent) -> float:
    """Return milliseconds for as many, each begun when the one before is done."""
    path = folder / "row-by-row.db"
    row_by_row.write_queue(path, extent.one_by_one)
    db = row_by_row.open_file(path)
    began = time.perf_counter()
    row_by_row.work(db, extent.one_by_one, lambda: time.sleep(NAP))
    took = time.perf_counter() - began
    db.close()
    path.unlink()
    return took * 1e3 / extent.one_by_one * extent.due
