"""The schema of a PostgreSQL goes on step by step, while others use it."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.postgres import ask, execute
from tinyforge.clock import SystemClock
from tinyforge.errors import NewerSchema, StoreUnavailable
from tinyforge.store.postgres.connection import Database
from tinyforge.store.postgres.house import House, Migrating
from tinyforge.store.postgres.migrate import SCHEMA, bring_up_to_date, steps
from tinyforge.store.postgres.store import PostgresStore

HELD = "BEGIN; LOCK TABLE workloads, servers, runs, events IN ACCESS SHARE MODE"


async def migrate(url: str, told: list[Migrating]) -> None:
    async with Database.open(url, SystemClock().monotonic, lambda _: None) as database:
        await bring_up_to_date(database, told.append)


async def schema_of(url: str) -> object:
    return await ask(url, "SELECT value::int FROM facts WHERE name = 'schema'")


async def at_schema(url: str, schema: int, schema_min: int) -> None:
    """Say what a newer program would have said."""
    await migrate(url, [])
    for name, value in (("schema", schema), ("schema_min", schema_min)):
        await execute(url, f"UPDATE facts SET value = '{value}' WHERE name = '{name}'")


async def serve_once(url: str) -> None:
    async with PostgresStore.open(url, House(clock=SystemClock(), version="1")):
        pass


async def test_steps_are_numbered_without_a_gap() -> None:
    assert [step.schema for step in steps(0)] == list(range(1, SCHEMA + 1))
    assert steps(SCHEMA) == []


async def test_replicas_that_start_together_migrate_once(url: str) -> None:
    told: list[Migrating] = []
    await asyncio.gather(migrate(url, told), migrate(url, told), migrate(url, told))
    assert [step.schema for step in told if not step.waits] == list(range(1, SCHEMA + 1))
    assert await schema_of(url) == SCHEMA


async def test_a_step_waits_briefly_for_a_table_and_lets_others_through(url: str) -> None:
    await execute(url, steps(0)[0].script)
    await execute(url, "INSERT INTO facts VALUES ('schema', '1'), ('schema_min', '0')")
    told: list[Migrating] = []
    holder = await asyncpg.connect(url)
    try:
        await holder.execute(HELD)
        migrating = asyncio.create_task(migrate(url, told))
        async with asyncio.timeout(30):
            while not told:
                # what serves is never kept waiting for longer than the migration may wait
                await execute(url, "SET statement_timeout = '2s'; SELECT count(*) FROM workloads")
            assert told == [Migrating(2, steps(1)[0].name, waits=True)]
            await holder.execute("COMMIT")
            await migrating
    finally:
        await holder.close()
    assert [step.schema for step in told if not step.waits] == list(range(2, SCHEMA + 1))


async def test_a_schema_one_step_ahead_is_served(url: str) -> None:
    await at_schema(url, SCHEMA + 1, SCHEMA)
    await serve_once(url)
    assert await schema_of(url) == SCHEMA + 1


async def test_a_schema_two_steps_ahead_is_for_a_newer_program(url: str) -> None:
    await at_schema(url, SCHEMA + 2, SCHEMA + 1)
    with pytest.raises(NewerSchema, match="install the newer program") as refused:
        await serve_once(url)
    assert (refused.value.found, refused.value.known) == (SCHEMA + 2, SCHEMA)


async def test_a_step_that_fails_leaves_the_schema_as_it_was(url: str) -> None:
    await execute(url, steps(0)[0].script)
    await execute(url, "INSERT INTO facts VALUES ('schema', '1'), ('schema_min', '0')")
    await execute(url, "ALTER TABLE servers ADD COLUMN clock_off text")
    with pytest.raises(StoreUnavailable, match="was undone: column"):
        await migrate(url, [])
    assert await schema_of(url) == 1
    placed = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'workloads'::regclass AND attname = 'place'"
    assert await ask(url, placed) == 0
