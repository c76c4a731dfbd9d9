"""Databases full of schedules and of history, written by plain SQL: a server would take longer."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from benchmarks.fleet import (
    FIRST_BINDING,
    FIRST_OLD,
    FIRST_TRIGGER,
    FIRST_WORKLOAD,
    OLDEST,
    YOUNGEST,
    Fleet,
)
from benchmarks.production import CLOCK
from tinyforge.clock import SECOND, Moment
from tinyforge.schedule.spec import Interval, Spec, Timetable, dump_spec
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.store import PostgresStore

OURS = "SET tinyforge.own = 'on'"  # so that nothing is planned again as a change by hand
TRIGGERS = """
INSERT INTO triggers(id, name, kind, config, revision_id)
SELECT $1::bigint + n, 'trigger-' || n, 'schedule', $3::text, 1 + n
FROM generate_series(0, $2::int - 1) n"""
WORKLOADS = """
INSERT INTO workloads(id, name, kind, config, queue)
SELECT $1::bigint + n, 'workload-' || n, $3::text, $4::text, $5::text
FROM generate_series(0, $2::int - 1) n"""
BINDINGS = """
INSERT INTO bindings(id, name, trigger_id, workload_id)
SELECT $1::bigint + n, 'trigger-' || n / $4::int || '.' || n % $4::int, $2::bigint + n / $4::int,
  $3::bigint + n % $5::int
FROM generate_series(0, $6::int - 1) n"""
EVENTS = """
INSERT INTO events(id, trigger_id, epoch, window_at, accepted_at, last_at, revision_id, fanned_at)
SELECT $2::bigint + i, $3::bigint + i % $4::int, 0, at, at, at, 1 + i % $4::int, at
FROM generate_series(0, $1::int - 1) i, LATERAL (SELECT $5::bigint + i * $6::bigint) m(at)"""
RUNS = """
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at, started_at,
  ended_at, attempt, owner)
SELECT id, id, $1::bigint + id % $2::int, $3::bigint + id % $4::int, 4, accepted_at, accepted_at,
  accepted_at, accepted_at + 1000, 1, 1
FROM events"""
ATTEMPTS = """
INSERT INTO attempts(run_id, n, owner, started_at, ended_at, outcome)
SELECT id, 1, 1, started_at, ended_at, 'succeeded' FROM runs"""
SPEC = "INSERT INTO specs(text) VALUES ($1) ON CONFLICT DO NOTHING"
TIMING = """
INSERT INTO timing(trigger_id, due_at, decided_until, last_fired_at, base, since, spec_id,
  revision_id)
SELECT $1::bigint + place - 1, due, due - $3::bigint, due - $3::bigint, due - $3::bigint,
  due - $3::bigint, (SELECT id FROM specs WHERE text = $4), place
FROM unnest($2::bigint[]) WITH ORDINALITY b(due, place)"""
EPOCHS = """
INSERT INTO epochs(trigger_id, epoch, since, base, decided_from, spec_id, why)
SELECT trigger_id, 1, since, base, decided_until, spec_id, 'adopted' FROM timing"""


async def make_schema(url: str) -> None:
    """Let a replica lay out the tables at *url*, and go."""
    async with PostgresStore.open(url, House(clock=CLOCK, version="benchmark")):
        return


async def write_config(url: str, fleet: Fleet) -> None:
    """Write everything of *fleet* but when it is due, with its history."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(OURS)
        config = f'{{"interval":"{fleet.interval // SECOND}s"}}'
        await connection.execute(TRIGGERS, FIRST_TRIGGER, fleet.triggers, config)
        kind = (fleet.kind, fleet.config, fleet.queue)
        await connection.execute(WORKLOADS, FIRST_WORKLOAD, fleet.workloads, *kind)
        ids = (FIRST_BINDING, FIRST_TRIGGER, FIRST_WORKLOAD)
        shape = (fleet.bindings, fleet.workloads, fleet.runs)
        await connection.execute(BINDINGS, *ids, *shape)
        if fleet.history:
            await _write_history(connection, fleet)
    finally:
        await connection.close()


async def _write_history(connection: asyncpg.Connection, fleet: Fleet) -> None:
    step = (OLDEST - YOUNGEST) // fleet.history
    begin = CLOCK.now() - OLDEST
    of = (FIRST_OLD, FIRST_TRIGGER, fleet.triggers, begin, step)
    await connection.execute(EVENTS, fleet.history, *of)
    bindings = (FIRST_BINDING, fleet.runs, FIRST_WORKLOAD, fleet.workloads)
    await connection.execute(RUNS, *bindings)
    await connection.execute(ATTEMPTS)


async def write_timing(url: str, fleet: Fleet, due: Sequence[Moment]) -> None:
    """Write when each schedule is due, and have the database know its tables."""
    spec = dump_spec(Spec(timetable=Timetable(timing=Interval(every=fleet.interval))))
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(OURS)
        await connection.execute(SPEC, spec)
        await connection.execute(TIMING, FIRST_TRIGGER, list(due), fleet.interval, spec)
        await connection.execute(EPOCHS)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
