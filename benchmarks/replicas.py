"""Everything is due at once, on PostgreSQL: one replica, then three that share the work."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import asyncpg
import msgspec
import psutil

from benchmarks import postgres, production
from benchmarks.figures import Figure, Size
from benchmarks.fleet import NEWER, Fleet, spread_over
from benchmarks.postgres import Postgres, own_server
from benchmarks.postgres_fleet import make_schema, write_config, write_timing
from benchmarks.replica import READY
from tinyforge.clock import SECOND

SEEN = """
SELECT (SELECT count(*) FROM events WHERE id > $1), (SELECT count(*) FROM runs WHERE id > $1)"""
LENGTH = 20 * SECOND
ACQUAINTED = 6.0  # seconds: with the next heartbeat each knows of the others
PATIENCE = 120.0  # seconds
MUSTS = {1: 10_000, 3: 20_000}  # windows per second, by replicas
AIMS = {1: 18_000, 3: 30_000}


@dataclass(frozen=True, kw_only=True)
class Extent:
    triggers: int
    workloads: int
    history: int
    times: int


EXTENTS = {
    Size.FULL: Extent(triggers=100_000, workloads=10_000, history=1_000_000, times=5),
    Size.QUICK: Extent(triggers=100_000, workloads=10_000, history=100_000, times=1),
    Size.SMALLEST: Extent(triggers=300, workloads=30, history=100, times=1),
}


class Once(NamedTuple):
    per_second: float
    details: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where each burst begins anew: a database with everything but when it is due."""

    server: Postgres
    folder: Path
    fleet: Fleet
    template: str


def measure(folder: Path, size: Size) -> list[Figure]:
    with own_server(folder) as server:
        return production.run(_measured(server, folder, EXTENTS[size]))


async def _measured(server: Postgres, folder: Path, extent: Extent) -> list[Figure]:
    fleet = Fleet(triggers=extent.triggers, workloads=extent.workloads, history=extent.history)
    template = await server.database()
    await make_schema(template)
    await write_config(template, fleet)
    site = Site(server=server, folder=folder, fleet=fleet, template=template)
    return [await _figure(site, replicas, extent.times) for replicas in MUSTS]


async def _figure(site: Site, replicas: int, times: int) -> Figure:
    all_ = [await once(site, replicas) for _ in range(times)]
    middle = sorted(all_)[len(all_) // 2]
    many = "1 replica" if replicas == 1 else f"{replicas} replicas"
    return Figure(
        what=f"PostgreSQL, burst of {site.fleet.triggers:,} due, {many}",
        value=median(one.per_second for one in all_),
        unit="windows/s",
        more_is_better=True,
        must=MUSTS[replicas],
        aim=AIMS[replicas],
        details=middle.details
        | {f"run_{n}": one.per_second for n, one in enumerate(all_, start=1)},
    )


async def once(site: Site, replicas: int) -> Once:
    """Let *replicas* fire everything, over a new copy of the database."""
    fleet, url = site.fleet, await site.server.database(postgres.name_in(site.template))
    try:
        now = production.CLOCK.now()
        await write_timing(url, fleet, spread_over(fleet.triggers, now - LENGTH, LENGTH))
        async with started(url, site.folder, replicas) as crew:
            database = DatabaseCpu(site.server.process)
            took = await asyncio.wait_for(crew.burst(url, fleet), PATIENCE)
            details = {"cpu_postgres_us": database.each(fleet.triggers), **crew.costs()}
        return Once(fleet.triggers / took, details)
    finally:
        await site.server.drop(url)


@dataclass(frozen=True)
class Worker:
    """One process and its two pipes."""

    process: Process
    told: StreamWriter
    says: StreamReader


@dataclass
class Crew:
    """Replicas at work, and what each says it has fired."""

    workers: list[Worker] = field(default_factory=list)
    fired: dict[int, int] = field(default_factory=dict)
    spent: list[dict[str, float]] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: int = 0

    async def burst(self, url: str, fleet: Fleet) -> float:
        """Let them sweep; return seconds until another connection counts everything."""
        self.wanted = fleet.triggers
        connection = await asyncpg.connect(url)
        listening = [asyncio.create_task(self._listen(worker)) for worker in self.workers]
        began = time.perf_counter()
        self._tell()
        await self.enough.wait()
        while tuple(await connection.fetchrow(SEEN, NEWER)) != (fleet.triggers, fleet.runs):
            await asyncio.sleep(0.001)
        took = time.perf_counter() - began
        self._tell()
        await asyncio.gather(*listening)
        await connection.close()
        return took

    def costs(self) -> dict[str, float]:
        """Return microseconds of CPU for each window that all replicas fired together."""
        spent = sum(one["cpu_process_us"] for one in self.spent)
        shares = {f"fired_{place}": float(n) for place, n in enumerate(self.fired.values())}
        return {"cpu_replicas_us": spent / sum(self.fired.values()), **shares}

    def _tell(self) -> None:
        for worker in self.workers:
            worker.told.write(b"\n")

    async def _listen(self, worker: Worker) -> None:
        number = worker.process.pid
        self.fired[number] = 0
        async for line in worker.says:
            if line.startswith(b"{"):
                self.spent.append(msgspec.json.decode(line, type=dict[str, float]))
                return
            self.fired[number] = int(line)
            if sum(self.fired.values()) >= self.wanted:
                self.enough.set()


@asynccontextmanager
async def started(url: str, folder: Path, replicas: int) -> AsyncIterator[Crew]:
    """Give replicas that know of each other, in processes of their own."""
    crew = Crew()
    try:
        for number in range(replicas):
            place = folder / f"replica-{number}"
            place.mkdir(exist_ok=True)
            crew.workers.append(await _started(url, place.resolve()))
        for worker in crew.workers:
            said = await worker.says.readline()
            if said.strip() != READY.encode():
                raise RuntimeError(f"a replica did not start: {said!r}")
        if replicas > 1:
            await asyncio.sleep(ACQUAINTED)
        yield crew
    finally:
        for worker in crew.workers:
            worker.told.close()
        for worker in crew.workers:
            await worker.process.wait()


async def _started(url: str, folder: Path) -> Worker:
    words = (sys.executable, "-m", "benchmarks.replica", url, str(folder))
    process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE)
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a process without pipes")
    return Worker(process, process.stdin, process.stdout)


class DatabaseCpu:
    """CPU time of all processes of a PostgreSQL, from when it is made."""

    def __init__(self, process: int) -> None:
        self._server = psutil.Process(process)
        self._began = self._spent()

    def each(self, count: int) -> float:
        """Return microseconds for each of *count* things done since."""
        return (self._spent() - self._began) / max(count, 1) * 1e6

    def _spent(self) -> float:
        over = self._server.cpu_times()
        spent: float = over.user + over.system + over.children_user + over.children_system
        for child in self._server.children():
            with suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                spent += times.user + times.system
        return spent
