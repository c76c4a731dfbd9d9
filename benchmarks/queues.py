"""What is due is worked to its stored end, on PostgreSQL, beside others that queue there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks import peers, postgres, production
from benchmarks.figures import Baseline, Figure, Size
from benchmarks.fleet import NEWER, Fleet, spread_over
from benchmarks.postgres import Postgres, own_server
from benchmarks.postgres_fleet import make_schema, write_config, write_timing
from benchmarks.work import Probe
from tinyforge.clock import SECOND
from tinyforge.settings import Settings

SUCCEEDED = "SELECT count(*) FROM runs WHERE id > $1 AND state = 4"
PATIENCE = 90.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Extent:
    runs: int
    workloads: int
    of_peers: int
    history: int = 100_000  # older runs, as a server has that did not start just now


EXTENTS = {
    Size.FULL: Extent(runs=50_000, workloads=10_000, of_peers=5_000),
    Size.QUICK: Extent(runs=20_000, workloads=10_000, of_peers=1_000),
    Size.SMALLEST: Extent(runs=100, workloads=30, of_peers=10, history=100),
}


def measure(folder: Path, size: Size) -> list[Figure]:
    with own_server(folder) as server:
        return [production.run(_figure(server, folder, EXTENTS[size]))]


async def _figure(server: Postgres, folder: Path, extent: Extent) -> Figure:
    baselines: list[Baseline] = await peers.runs_per_second(server, extent.of_peers)
    return Figure(
        what=f"PostgreSQL, {extent.runs:,} due until each no-op run has its outcome, 1 replica",
        value=await _worked(server, folder, extent),
        unit="runs/s",
        more_is_better=True,
        baselines=baselines,
    )


async def _worked(server: Postgres, folder: Path, extent: Extent) -> float:
    """Decide, queue and work everything; the clock stops when another connection counts it."""
    url, probe = await server.database(), Probe(wanted=extent.runs)
    fleet = Fleet(triggers=extent.runs, workloads=extent.workloads, history=extent.history)
    await make_schema(url)
    await write_config(url, fleet)
    now = production.CLOCK.now()
    await write_timing(url, fleet, spread_over(fleet.triggers, now - 20 * SECOND, 20 * SECOND))
    connection = await asyncpg.connect(url)
    async with postgres.opened(url, Settings(data=folder), probe) as engine:
        began = time.perf_counter()
        parts = [asyncio.create_task(p.run()) for p in (engine.ticker, engine.runner)]
        await asyncio.wait_for(probe.done.wait(), PATIENCE)
        while await connection.fetchval(SUCCEEDED, NEWER) != extent.runs:
            await asyncio.sleep(0.001)
        took = time.perf_counter() - began
        engine.ticker.close()
        engine.runner.close()
        await asyncio.gather(*parts)
        await engine.runner.drain(0)
    await connection.close()
    await server.drop(url)
    return extent.runs / took
