"""Numbered SQL files, each applied with its record in one transaction, while replicas serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple, TypeAlias

import asyncpg

from tinyforge.errors import NewerSchema, Refused, StoreUnavailable
from tinyforge.store.postgres.connection import Database, Session
from tinyforge.store.postgres.house import Migrating

SCHEMA = 3
# A program serves a schema one step ahead of its own, for a step only adds: so old replicas go on
# while a new one starts. What it made needless is removed by the step after.
# Of the transaction and not of the session, so that a pooler may stand between.
LOCK = "SELECT pg_try_advisory_xact_lock(7238427310)"
# What serves queues behind a migration that waits for a table: never for longer than this.
BRIEFLY = "SET LOCAL lock_timeout = '300ms'"
PAUSE = 1.0  # seconds in which those that queued have their turn
PATIENCE = 60  # tries
OLDEST_FIRST = "SELECT pid, query FROM pg_stat_activity ORDER BY xact_start"
IS_NEW = "SELECT to_regclass('facts') IS NULL"
GET_SCHEMA = "SELECT name, value::int FROM facts WHERE name IN ('schema', 'schema_min')"
BROKEN_STEP = (
    asyncpg.SyntaxOrAccessError,  # a column that is there already, a right that is missing
    asyncpg.IntegrityConstraintViolationError,
)
SET_SCHEMA = """
INSERT INTO facts(name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2"""
LEFT_BEHIND = """
SELECT count(*), string_agg(DISTINCT version, ', ') FROM servers
WHERE lease_until > clock_timestamp() AND schema < $1"""
# Holds the row, so that whoever migrates sees us among those that live, or we see the new number.
HELD_MIN = "SELECT value::int FROM facts WHERE name = 'schema_min' FOR SHARE"


Told: TypeAlias = Callable[[Migrating], None]


class _Waits(Exception):
    """Somebody else migrates, or uses a table for longer than we may hold up the others."""


class _Step(NamedTuple):
    schema: int
    name: str
    script: str


def steps(after: int) -> list[_Step]:
    """Return what brings a database of schema *after* up to date, in order."""
    folder = files("tinyforge.store.postgres") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [
        _Step(int(name[:4]), name, (folder / name).read_text())
        for name in names
        if int(name[:4]) > after
    ]


async def bring_up_to_date(database: Database, told: Told) -> None:
    """Apply what is missing. NewerSchema, or Refused where replicas would be left behind."""
    schema = refuse_newer(await database.read(schema_of))
    for step in steps(schema):
        await _apply(database, step, told)


async def _apply(database: Database, step: _Step, told: Told) -> None:
    for attempt in range(PATIENCE):
        try:
            if await database.write(lambda session: _work(session, step)):
                told(Migrating(step.schema, step.name, waits=False))
        except _Waits:
            if attempt == 0:
                told(Migrating(step.schema, step.name, waits=True))
            await asyncio.sleep(PAUSE)
        else:
            return
    raise StoreUnavailable(
        f"{step.name} waits for transactions of others that do not end; end those that"
        f" {OLDEST_FIRST} names first, then start again"
    )


async def _work(session: Session, step: _Step) -> bool:
    """Apply one step; False where another replica has done it meanwhile."""
    if not await session.one(LOCK):
        raise _Waits
    if refuse_newer(await schema_of(session)) >= step.schema:
        return False
    try:
        await session.run(BRIEFLY)
        await session.run(step.script)
        await session.do(SET_SCHEMA, "schema", str(step.schema))
        await session.do(SET_SCHEMA, "schema_min", str(step.schema - 1))
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        raise _Waits from None
    except BROKEN_STEP as problem:
        raise StoreUnavailable(
            f"{step.name} was undone: {problem}; put right what somebody else changed there"
        ) from problem
    ((count, versions),) = await session.ask(LEFT_BEHIND, step.schema - 1)
    if count:
        raise Refused(
            f"schema {step.schema} is too new for {count} replicas that serve (version {versions})",
            "upgrade them to the version between, or stop them, then start this one",
        )
    return True


async def schema_of(session: Session) -> tuple[int, int]:
    """Return the schema and the oldest program's that may serve it; 0: there is none yet."""
    if await session.one(IS_NEW):
        return 0, 0
    found: dict[str, int] = dict(await session.ask(GET_SCHEMA))
    return found.get("schema", 0), found.get("schema_min", 0)


def refuse_newer(found: tuple[int, int]) -> int:
    """Return the schema; NewerSchema where it is no longer for this program."""
    schema, schema_min = found
    if schema > SCHEMA and schema_min > SCHEMA:
        raise NewerSchema(schema, SCHEMA)
    return schema


async def may_serve(session: Session) -> None:
    """Hold the schema to the end of the transaction; NewerSchema where it is not for us."""
    oldest = await session.one(HELD_MIN)
    if oldest is not None and oldest > SCHEMA:
        refuse_newer(await schema_of(session))
