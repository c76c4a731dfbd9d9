"""Signed deliveries over real sockets, until the answer that says what each binding makes of them.

Senders are processes of their own, on the same machine: what they cost is in the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import production
from benchmarks.cpu import Cpu
from benchmarks.figures import Baseline, Figure, Size, percentile
from benchmarks.lateness import Probe
from benchmarks.senders import Plan, Seen
from tinyforge.clock import SECOND, Moment
from tinyforge.observe.events import Happening, Started
from tinyforge.store.sqlite.connection import DATABASE, open_reader

SECRET = "a secret that only the benchmark has"  # noqa: S105 - it says so itself
VARIABLE = "BENCHMARK_SECRET"
ENDPOINTS = 100
FEW, MANY = 32, 64  # connections of one sender
STEADY = 500  # deliveries per second
INTERVAL = 10  # seconds, of the schedules beside the slow connections
WORKLOAD = "  w{n}: {{kind: nap, seconds: '{takes}'}}"
TRIGGER = '  t{n}: {{kind: github, secret: "${{env:BENCHMARK_SECRET}}", endpoint: {path}}}'
BINDING = "  - {{trigger: t{n}, workload: w{n}, match: {{branch: main}}}}"
SCHEDULE = "  s{n}: {{kind: schedule, interval: 10s, spread: 10s, first: wait}}"
SCHEDULED = "  - {{trigger: s{n}, workload: w{n}}}"


@dataclass(frozen=True, kw_only=True)
class Extent:
    deliveries: int
    plain: int  # of the plain receiver
    seconds: int  # of the steady ones
    slow: int  # connections
    beside: int  # seconds beside these
    senders: int = 2


EXTENTS = {
    Size.FULL: Extent(deliveries=60_000, plain=20_000, seconds=60, slow=5_000, beside=30),
    Size.QUICK: Extent(deliveries=10_000, plain=3_000, seconds=8, slow=5_000, beside=11),
    Size.SMALLEST: Extent(deliveries=100, plain=50, seconds=1, slow=20, beside=1, senders=1),
}


@dataclass
class Listener(Probe):
    """Listens: which window was recorded when, and where the server is."""

    port: int = 0
    told: Counter[str] = field(default_factory=Counter)

    def __call__(self, happening: Happening) -> None:
        super().__call__(happening)
        if isinstance(happening, Started):
            self.port = int(happening.listen.rpartition(":")[2])


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    os.environ[VARIABLE] = SECRET
    return production.run(_figures(folder, extent))


async def _figures(folder: Path, extent: Extent) -> list[Figure]:
    plain, plain_steady = await _plain(folder, extent)
    async with _served(folder / "flood") as (_, port):
        cpu = Cpu()
        per_second = await _flood(port, extent, extent.deliveries)
        details = cpu.each(extent.deliveries)
    async with _served(folder / "steady") as (_, port):
        steady = await _steady(port, extent.seconds)
    return [
        Figure(
            what="signed deliveries until the answer with results",
            value=per_second,
            unit="deliveries/s",
            more_is_better=True,
            must=5_000,
            must_ratio=2,
            aim=12_000,
            baselines=[Baseline(name="Starlette and sqlite3", value=plain)],
            details=details,
        ),
        *_delays(f"{STEADY} deliveries/s for {extent.seconds} s", steady, plain_steady, 25),
        *await _beside_slow(folder / "slow", extent),
    ]


def _delays(
    what: str, took: Sequence[float], plain: Sequence[float], must: float | None
) -> list[Figure]:
    return [
        Figure(
            what=f"{what}: answered, p{percent}",
            value=percentile(took, percent),
            unit="ms",
            must=must if percent == 99 else None,
            baselines=[Baseline(name="Starlette and sqlite3", value=percentile(plain, percent))]
            if plain
            else [],
        )
        for percent in (50, 99)
    ]


async def _beside_slow(folder: Path, extent: Extent) -> list[Figure]:
    """Measure deliveries and windows beside connections that send a byte a second."""
    what = f"beside {extent.slow:,} connections of a byte a second"
    async with _served(folder, schedules=ENDPOINTS) as (listener, port):
        slow = await _sender("trickle", _plan(port, extent.slow, ENDPOINTS, 0, "slow"))
        await asyncio.sleep(2)  # until they are there
        began = production.CLOCK.now()
        took = await _steady(port, extent.beside)
        late = _lateness(listener, began, production.CLOCK.now())
        opened = (await _ended(slow)).statuses["opened"]
    lost = Figure(
        what=f"{what}: deliveries lost",
        value=STEADY * extent.beside - len(took),
        unit="deliveries",
        must=0,
        disk_counts=False,
        details={"opened": opened},
    )
    windows = [
        Figure(what=f"{what}: lateness of windows p{p}", value=percentile(late, p), unit="ms")
        for p in (50, 99)
        if late
    ]
    return [*_delays(what, took, (), None), lost, *windows]


def _lateness(listener: Listener, begin: Moment, end: Moment) -> list[float]:
    """Return milliseconds for every window in the time, recorded or not."""
    each = ENDPOINTS * (end - begin) // (INTERVAL * SECOND)
    return listener.late_by(begin, end, each) if each else []


# --- senders


def _plan(port: int, count: int, connections: int, rate: float, name: str) -> Plan:
    return Plan(port, _paths(), SECRET, count, connections, rate, name)


def _paths() -> list[str]:
    return [f"/hooks/{_path(n)}" for n in range(ENDPOINTS)]


def _path(n: int) -> str:
    return f"endpoint-of-the-benchmark-{n:04d}"


async def _sender(way: str, plan: Plan) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.senders",
        way,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,  # bytes of what it prints
    )
    if process.stdin is not None:
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        await process.stdin.drain()
    return process


async def _ended(process: asyncio.subprocess.Process) -> Seen:
    """Have one end that goes on until it is told; return what it saw."""
    if process.stdin is not None:
        process.stdin.close()
    said = await process.stdout.read() if process.stdout else b""
    await process.wait()
    return Seen(*json.loads(said))


async def _flood(port: int, extent: Extent, count: int) -> float:
    """Return deliveries per second; each must be taken."""
    plans = [
        _plan(port, count // extent.senders, MANY, 0, f"flood-{n}") for n in range(extent.senders)
    ]
    senders = [await _sender("flood", plan) for plan in plans]
    seen = [await _ended(sender) for sender in senders]
    _must_be_taken(seen)
    took = max(one.ended for one in seen) - min(one.began for one in seen)
    return sum(one.statuses["202"] for one in seen) / took


async def _steady(port: int, seconds: int) -> list[float]:
    seen = await _ended(
        await _sender("steady", _plan(port, STEADY * seconds, FEW, STEADY, f"steady-{seconds}"))
    )
    _must_be_taken([seen])
    return seen.took


def _must_be_taken(seen: Sequence[Seen]) -> None:
    for one in seen:
        if set(one.statuses) != {"202"}:
            raise AssertionError(f"not every delivery was taken: {one.statuses}")


# --- receivers


@asynccontextmanager
async def _served(folder: Path, schedules: int = 0) -> AsyncIterator[tuple[Listener, int]]:
    """Give a server with its endpoints; afterwards each delivery must have been deployed."""
    folder.mkdir()
    config = folder / "tinyforge.yaml"
    config.write_text(_manifest(schedules))
    listener = Listener()
    async with production.served(folder / "data", listener, config=config):
        yield listener, listener.port
    reader = open_reader(folder / "data" / DATABASE)
    ((events, deployed),) = reader.execute(STORED).fetchall()
    reader.close()
    shutil.rmtree(folder)
    if not events == deployed > 0:
        raise AssertionError(f"of {events} events {deployed} have a run")


STORED = """
SELECT count(*), (SELECT count(DISTINCT event_id) FROM runs) FROM events"""


def _manifest(schedules: int) -> str:
    fleet = range(ENDPOINTS)
    lines = [
        "version: 1",
        "workloads:",
        *(WORKLOAD.format(n=n, takes=3 + n / 25) for n in fleet),  # seconds, none like another
        "triggers:",
        *(TRIGGER.format(n=n, path=_path(n)) for n in fleet),
        *(SCHEDULE.format(n=n) for n in range(schedules)),
        "bindings:",
        *(BINDING.format(n=n) for n in fleet),
        *(SCHEDULED.format(n=n) for n in range(schedules)),
    ]
    return "\n".join(lines)


async def _plain(folder: Path, extent: Extent) -> tuple[float, list[float]]:
    """Return deliveries per second of the plain receiver, and how long its answers took."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.bare_receiver",
        str(folder / "plain.db"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said = await process.stdout.readline() if process.stdout else b""
        port = int(said)
        per_second = await _flood(port, extent, extent.plain)
        return per_second, await _steady(port, min(extent.seconds, 10))
    finally:
        process.kill()
        await process.wait()
