"""Looking for what to do on PostgreSQL while 100,000 dead rows lie where one looks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg

from benchmarks import postgres, production
from benchmarks.figures import Figure, Size, percentile
from benchmarks.fleet import FIRST_WORKLOAD, NEWER, Fleet
from benchmarks.postgres import Postgres, own_server
from benchmarks.postgres_fleet import make_schema, write_config, write_timing
from tinyforge.clock import HOUR, SECOND, Moment
from tinyforge.engine.ticker import FAR_PAST
from tinyforge.settings import Settings
from tinyforge.store.port import Places, Store

TOGETHER = 8  # runs of one claim: a free worker's each
AT_ONCE = 100  # schedules that are due at each claim
CLAIMS = {"due schedules": "timing", "queued runs": "runs"}
UNSWEPT = "ALTER TABLE {} SET (autovacuum_enabled = off)"
# Each row was due, and is not any more: a dead row, and a dead place in the index of due moments.
MOVE_ON = "UPDATE timing SET due_at = due_at + $1::bigint"
SOME_DUE = (
    "UPDATE timing SET due_at = $1 WHERE trigger_id IN (SELECT trigger_id FROM timing LIMIT $2)"
)
QUEUE = """
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at, repeatable)
SELECT $1::bigint + n, $1::bigint + n, 1, $4::bigint + n % $5::int, 2, $2::bigint, $2::bigint, true
FROM generate_series(1, $3::int) n"""
WORK_OFF = "UPDATE runs SET state = 4, ended_at = $2::bigint WHERE id > $1 AND state = 2"


@dataclass(frozen=True, kw_only=True)
class Extent:
    dead: int
    claims: int


EXTENTS = {
    Size.FULL: Extent(dead=100_000, claims=500),
    Size.QUICK: Extent(dead=100_000, claims=200),
    Size.SMALLEST: Extent(dead=300, claims=5),
}


def measure(folder: Path, size: Size) -> list[Figure]:
    with own_server(folder) as server:
        spent = production.run(_measured(server, folder, EXTENTS[size]))
    return [
        Figure(
            what=f"PostgreSQL, claim of {what} over {EXTENTS[size].dead:,} dead rows, p99",
            value=percentile(times, 99),
            unit="ms",
            must=20,
            details={"p50_ms": median(times), "max_ms": max(times), "first_ms": times[0]},
        )
        for what, times in spent.items()
    ]


async def _measured(server: Postgres, folder: Path, extent: Extent) -> dict[str, list[float]]:
    url, now = await server.database(), production.CLOCK.now()
    workloads = max(extent.dead // 10, TOGETHER * extent.claims)  # each has one run at work
    fleet = Fleet(triggers=extent.dead, workloads=workloads)
    await make_schema(url)
    await write_config(url, fleet)
    await write_timing(url, fleet, [now - HOUR + n for n in range(extent.dead)])
    await _die(url, fleet, extent, now)
    async with postgres.opened(url, Settings(data=folder)) as engine:
        store = engine.store
        return {
            "due schedules": [await _due(store) for _ in range(extent.claims)],
            "queued runs": [await _taken(store) for _ in range(extent.claims)],
        }


async def _die(url: str, fleet: Fleet, extent: Extent, now: Moment) -> None:
    """Leave as many dead rows in each table, with living ones behind them."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET tinyforge.own = 'on'")
        for table in CLAIMS.values():
            await connection.execute(UNSWEPT.format(table))
        await connection.execute(MOVE_ON, 3 * HOUR)
        await connection.execute(SOME_DUE, now - SECOND, AT_ONCE)
        workloads = (FIRST_WORKLOAD, fleet.workloads)
        await connection.execute(QUEUE, NEWER, now, extent.dead, *workloads)
        await connection.execute(WORK_OFF, NEWER, now)
        await connection.execute(QUEUE, 2 * NEWER, now, TOGETHER * extent.claims, *workloads)
    finally:
        await connection.close()


async def _due(store: Store) -> float:
    began = time.perf_counter()
    found = await store.due(FAR_PAST, production.CLOCK.now(), 2_000)
    took = time.perf_counter() - began
    if not found:
        raise AssertionError("nothing was due")
    return took * 1e3


async def _taken(store: Store) -> float:
    """Take runs as free workers do, which stores their lease."""
    began = time.perf_counter()
    turn = await store.turn((), (), Places(TOGETHER, 0), production.CLOCK.now())
    took = time.perf_counter() - began
    if not turn.taken:
        raise AssertionError("nothing was taken")
    return took * 1e3
