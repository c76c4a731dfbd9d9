"""Files full of schedules and of history, written by plain SQL: a server would take longer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from tinyforge.clock import DAY, SECOND, Micros, Moment, SystemClock
from tinyforge.schedule.spec import Interval, Spec, Timetable, dump_spec
from tinyforge.store.sqlite.connection import DATABASE, open_writer
from tinyforge.store.sqlite.store import SqliteStore

FIRST_TRIGGER, FIRST_WORKLOAD, FIRST_BINDING = 1_000_000, 10_000_000, 20_000_000
FIRST_OLD = 100_000_000
NEWER = 10**12  # every id of a server is above it, every id given here below
OLDEST, YOUNGEST = 81 * DAY, DAY  # of the history

INSERT_TRIGGERS = """
INSERT INTO triggers(id, name, kind, config, revision_id) VALUES (?, ?, 'schedule', ?, ?)"""
INSERT_WORKLOADS = """
INSERT INTO workloads(id, name, kind, config, queue) VALUES (?, ?, ?, ?, ?)"""
INSERT_BINDINGS = """
INSERT INTO bindings(id, name, trigger_id, workload_id) VALUES (?, ?, ?, ?)"""
INSERT_TIMING = """
INSERT INTO timing(trigger_id, due_at, decided_until, last_fired_at, base, since, spec_id,
  revision_id)
VALUES (?1, ?2, ?3, ?3, ?3, ?3, 1, ?4)"""
INSERT_EPOCHS = """
INSERT INTO epochs(trigger_id, epoch, since, base, decided_from, spec_id, why)
SELECT trigger_id, 1, since, base, decided_until, 1, 'adopted' FROM timing"""
OLD_EVENTS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
INSERT INTO events(id, trigger_id, epoch, window_at, accepted_at, last_at, revision_id, fanned_at)
SELECT ?2 + i, ?3 + i % ?4, 0, ?5 + i * ?6, ?5 + i * ?6, ?5 + i * ?6, 1 + i % ?4, ?5 + i * ?6
FROM n"""
OLD_RUNS = """
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at, started_at,
  ended_at, attempt, owner)
SELECT id, id, ?1 + id % ?2, ?3 + id % ?4, 4, accepted_at, accepted_at, accepted_at,
  accepted_at + 1000, 1, 1
FROM events WHERE id < ?5"""
OLD_ATTEMPTS = """
INSERT INTO attempts(run_id, n, owner, started_at, ended_at, outcome)
SELECT id, 1, 1, started_at, ended_at, 'succeeded' FROM runs WHERE id < ?1"""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    triggers: int
    workloads: int
    bindings: int = 1  # of each trigger
    interval: Micros = 3_600 * SECOND
    kind: str = "noop"
    config: str = "{}"
    queue: str = "every"
    history: int = 0  # older events, each with a run and its attempt

    @property
    def runs(self) -> int:
        """Return how many runs one fire of every trigger makes."""
        return self.triggers * self.bindings


def write_fleet(
    folder: Path, fleet: Fleet, due: Callable[[Moment], Sequence[Moment]]
) -> list[Moment]:
    """Make a data folder; *due* is asked last, at a moment close to the end of the writing."""
    asyncio.run(_make(folder))
    db = open_writer(folder / DATABASE)
    with db:
        _write_config(db, fleet)
    with db:
        _write_history(db, fleet, SystemClock().now())
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    moments = list(due(SystemClock().now()))
    with db:
        _write_timing(db, fleet, moments)
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()
    return moments


def spread_over(count: int, begin: Moment, length: Micros) -> list[Moment]:
    """Return *count* moments, evenly spaced and in random order, the same at every call."""
    moments = [begin + length * number // count for number in range(count)]
    random.Random(1).shuffle(moments)  # noqa: S311 - an order, not a secret
    return moments


async def _make(folder: Path) -> None:
    async with SqliteStore.open(folder, SystemClock()):
        return


def _write_config(db: apsw.Connection, fleet: Fleet) -> None:
    config = f'{{"interval":"{fleet.interval // SECOND}s"}}'
    triggers = range(fleet.triggers)
    db.executemany(
        INSERT_TRIGGERS, ((FIRST_TRIGGER + n, f"trigger-{n}", config, 1 + n) for n in triggers)
    )
    db.executemany(
        INSERT_WORKLOADS,
        (
            (FIRST_WORKLOAD + n, f"workload-{n}", fleet.kind, fleet.config, fleet.queue)
            for n in range(fleet.workloads)
        ),
    )
    db.executemany(INSERT_BINDINGS, _bindings(fleet))


def _bindings(fleet: Fleet) -> Iterable[tuple[int, str, int, int]]:
    for trigger in range(fleet.triggers):
        for k in range(fleet.bindings):
            number = trigger * fleet.bindings + k
            workload = FIRST_WORKLOAD + number % fleet.workloads
            yield (
                FIRST_BINDING + number,
                f"trigger-{trigger}.{k}",
                FIRST_TRIGGER + trigger,
                workload,
            )


def _write_timing(db: apsw.Connection, fleet: Fleet, due: Sequence[Moment]) -> None:
    spec = Spec(timetable=Timetable(timing=Interval(every=fleet.interval)))
    db.execute("INSERT INTO specs(id, text) VALUES (1, ?)", (dump_spec(spec),))
    rows = ((FIRST_TRIGGER + n, at, at - fleet.interval, 1 + n) for n, at in enumerate(due))
    db.executemany(INSERT_TIMING, rows)
    db.execute(INSERT_EPOCHS)


def _write_history(db: apsw.Connection, fleet: Fleet, now: Moment) -> None:
    if not fleet.history:
        return
    step = (OLDEST - YOUNGEST) // fleet.history
    begin = now - OLDEST
    db.execute(OLD_EVENTS, (fleet.history, FIRST_OLD, FIRST_TRIGGER, fleet.triggers, begin, step))
    bindings = (FIRST_BINDING, fleet.runs, FIRST_WORKLOAD, fleet.workloads)
    db.execute(OLD_RUNS, (*bindings, NEWER))
    db.execute(OLD_ATTEMPTS, (NEWER,))
