"""Three whole servers on one PostgreSQL with very many schedules, and nothing to do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks import postgres, production
from benchmarks.figures import Figure, Size
from benchmarks.fleet import Fleet, spread_over
from benchmarks.postgres import Postgres, own_server
from benchmarks.postgres_fleet import make_schema, write_config, write_timing
from tinyforge.clock import HOUR

REPLICAS = 3
PATIENCE = 60.0  # seconds, until all serve
# A statement of its own is a transaction, and what stands between BEGIN and COMMIT counts as one.
ASKED = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1"
SERVING = "SELECT count(*) FROM servers"


@dataclass(frozen=True, kw_only=True)
class Extent:
    triggers: int
    settle: float  # seconds
    watched: float  # seconds


EXTENTS = {
    Size.FULL: Extent(triggers=1_000_000, settle=45, watched=120),
    Size.QUICK: Extent(triggers=100_000, settle=20, watched=30),
    Size.SMALLEST: Extent(triggers=200, settle=1, watched=1),
}


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    with own_server(folder) as server:
        asked = production.run(_asked(server, folder, extent))
    return [
        Figure(
            what=f"PostgreSQL, idle: {extent.triggers:,} schedules, {REPLICAS} replicas",
            value=asked / extent.watched,
            unit="queries/s in all",
            must=1 if size is Size.FULL else None,
            disk_counts=False,
        )
    ]


async def _asked(server: Postgres, folder: Path, extent: Extent) -> int:
    """Return how many transactions all servers began while they were watched."""
    url = await server.database()
    fleet = Fleet(triggers=extent.triggers, workloads=100, interval=24 * HOUR, kind="command")
    await make_schema(url)
    await write_config(url, fleet)
    now = production.CLOCK.now()
    await write_timing(url, fleet, spread_over(extent.triggers, now + HOUR, HOUR))
    connection = await asyncpg.connect(server.url)  # to another database: it is not counted
    async with _serving(url, folder):
        await asyncio.sleep(extent.settle)
        before = await connection.fetchval(ASKED, postgres.name_in(url))
        await asyncio.sleep(extent.watched)
        after = await connection.fetchval(ASKED, postgres.name_in(url))
    await connection.close()
    return int(after - before)


@asynccontextmanager
async def _serving(url: str, folder: Path) -> AsyncIterator[None]:
    """Start `tinyforge serve` as often as there are replicas; all serve within the block."""
    started = []
    try:
        for number in range(REPLICAS):
            place = str(folder / f"replica-{number}")  # short, for the sake of the socket in it
            words = ("serve", "--data", place, "--listen", "127.0.0.1:0", "--log-level", "error")
            started.append(
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tinyforge", *words),
                    env={**os.environ, "TINYFORGE_DATABASE": url},
                )
            )
        await _until_all_serve(url)
        yield
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            await process.wait()


async def _until_all_serve(url: str) -> None:
    connection = await asyncpg.connect(url)
    deadline = time.monotonic() + PATIENCE
    try:
        while await connection.fetchval(SERVING) < REPLICAS:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{REPLICAS} servers were not up within {PATIENCE:.0f} s")
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
