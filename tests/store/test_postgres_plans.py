"""On PostgreSQL a plan must not turn bad when there is suddenly more than statistics know of."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from tests.postgres import own_schema
from tinyforge.store.postgres import statements
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.testing.clock import MovableClock

OLD_RUNS = """
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at)
SELECT n, n, 1, n % 100, 4, n, n FROM generate_series(1, 5000) n"""
SCHEDULES = """
INSERT INTO timing(trigger_id, due_at) SELECT n, n FROM generate_series(1, 5000) n"""
EXPECTED = {
    "what is ready": (statements.READY, ["run_queue", "run_busy", "SubPlan"]),
    "runs that are taken": (statements.TAKE, ["runs_pkey", "run_busy", "SubPlan"]),
    "runs that ended": (statements.FINISH, ["runs_pkey"]),
    "runs that are superseded": (statements.SUPERSEDE, ["runs_pkey"]),
    "due schedules": (statements.DUE, ["timing_due"]),
    "late schedules of others": (statements.LATE, ["timing_due"]),
    "the next run that is to wait": (statements.NEXT_READY, ["run_waits"]),
}


@pytest_asyncio.fixture
async def database(postgres: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Give a database with a past, where nothing is queued and nothing runs, as it knows itself."""
    async with own_schema(postgres) as url:
        async with PostgresStore.open(url, House(clock=MovableClock(), version="1.0")):
            connection = await asyncpg.connect(url)
        await connection.execute("SET tinyforge.own = 'on'")
        for statement in (OLD_RUNS, SCHEDULES, "ANALYZE runs", "ANALYZE timing"):
            await connection.execute(statement)
        yield connection
        await connection.close()


async def planned(database: asyncpg.Connection[asyncpg.Record], statement: str) -> str:
    """Return the plan that is made once for whatever values come."""
    values = ", ".join(["NULL"] * max(map(int, re.findall(r"\$(\d+)", statement))))
    await database.execute("SET plan_cache_mode = force_generic_plan")
    await database.execute(f"PREPARE asked AS {statement}")
    return "\n".join(row[0] for row in await database.fetch(f"EXPLAIN EXECUTE asked({values})"))


@pytest.mark.parametrize("name", EXPECTED)
async def test_it_goes_by_its_index(
    database: asyncpg.Connection[asyncpg.Record], name: str
) -> None:
    statement, parts = EXPECTED[name]
    plan = await planned(database, statement)
    for part in parts:
        assert part in plan, plan
    assert "Seq Scan on runs" not in plan, plan
    assert "Seq Scan on timing" not in plan, plan
