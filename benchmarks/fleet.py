"""Files full of schedules, written by SQL as a hand with a script would."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import apsw

from tinyforge.clock import DAY, SECOND, Moment, SystemClock
from tinyforge.schedule.spec import Interval, Spec, Timetable, dump_spec
from tinyforge.store.sqlite.connection import DATABASE, open_writer
from tinyforge.store.sqlite.store import SqliteStore

FIRST_TRIGGER, FIRST_WORKLOAD, FIRST_BINDING = 1_000_000, 10_000_000, 20_000_000


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """*spread*: the due moments lie that far apart, at random, before or after `origin`."""

    triggers: int
    workloads: int
    bindings: int = 1  # of each trigger
    interval: int = 3_600 * SECOND
    kind: str = "noop"
    config: str = "{}"
    queue: str = "every"
    history: int = 0  # older events, each with a run


async def write_fleet(folder: Path, fleet: Fleet, due: Iterable[Moment]) -> None:
    """Make a data folder whose triggers are due at the moments *due*, in that order."""
    async with SqliteStore.open(folder, SystemClock()):
        pass
    db = open_writer(folder / DATABASE)
    now = SystemClock().now()
    with db:
        _write_config(db, fleet, now)
        _write_timing(db, fleet, due, now)
    _write_history(db, fleet, now)
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()


def spread_over(count: int, begin: Moment, length: int, seed: int = 1) -> list[Moment]:
    """Return *count* moments, evenly spaced and in random order."""
    moments = [begin + length * number // count for number in range(count)]
    random.Random(seed).shuffle(moments)  # noqa: S311 - a benchmark's order, no secret
    return moments


def _write_config(db: apsw.Connection, fleet: Fleet, now: Moment) -> None:
    config = f'{{"interval": "{fleet.interval // SECOND}s"}}'
    db.executemany(
        "INSERT INTO triggers(id, name, kind, config, revision_id) VALUES (?, ?, 'schedule', ?, ?)",
        (
            (FIRST_TRIGGER + n, f"trigger-{n}", config, n + 1)
            for n in range(fleet.triggers)
        ),
    )
    db.executemany(
        "INSERT INTO workloads(id, name, kind, config, queue) VALUES (?, ?, ?, ?, ?)",
        (
            (FIRST_WORKLOAD + n, f"workload-{n}", fleet.kind, fleet.config, fleet.queue)
            for n in range(fleet.workloads)
        ),
    )
    db.executemany(
        "INSERT INTO bindings(id, name, trigger_id, workload_id) VALUES (?, ?, ?, ?)",
        (
            (
                FIRST_BINDING + n * fleet.bindings + k,
                f"trigger-{n}.{k}",
                FIRST_TRIGGER + n,
                FIRST_WORKLOAD + (n * fleet.bindings + k) % fleet.workloads,
            )
            for n in range(fleet.triggers)
            for k in range(fleet.bindings)
        ),
    )


def _write_timing(
    db: apsw.Connection, fleet: Fleet, due: Iterable[Moment], now: Moment
) -> None:
    spec = Spec(timetable=Timetable(timing=Interval(every=fleet.interval)))
    db.execute("INSERT INTO specs(id, text) VALUES (1, ?)", (dump_spec(spec),))
    rows = (
        (FIRST_TRIGGER + n, at, at - fleet.interval, at - fleet.interval, n + 1)
        for n, at in enumerate(due)
    )
    db.executemany(
        "INSERT INTO timing(trigger_id, due_at, decided_until, last_fired_at, base, epoch, since,"
        " spec_id, revision_id) VALUES (?1, ?2, ?3, ?3, ?3, 1, ?4, 1, ?5)",
        rows,
    )
    db.execute(
        "INSERT INTO epochs(trigger_id, epoch, since, base, decided_from, spec_id, why)"
        " SELECT trigger_id, 1, since, base, decided_until, 1, 'adopted' FROM timing"
    )


def _write_history(db: apsw.Connection, fleet: Fleet, now: Moment) -> None:
    """Fill in older events and runs, a second after the other, ids in their order."""
    if not fleet.history:
        return
    step = DAY * 80 // fleet.history
    with db:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)"
            " INSERT INTO events(id, trigger_id, epoch, window_at, accepted_at, last_at, fanned_at)"
            " SELECT 100000000 + i * 2, ?2 + i % ?3, 0, ?4 + i * ?5, ?4 + i * ?5, ?4 + i * ?5,"
            " ?4 + i * ?5 FROM n",
            (fleet.history, FIRST_TRIGGER, fleet.triggers, now - 81 * DAY, step),
        )
        db.execute(
            "INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at,"
            " started_at, ended_at, attempt, owner) SELECT id + 1, id, ?1 + id % ?2, ?3 + id % ?4,"
            " 4, accepted_at, accepted_at, accepted_at, accepted_at + 1000, 1, 1 FROM events"
            " WHERE id < 1000000000",
            (FIRST_BINDING, fleet.triggers, FIRST_WORKLOAD, fleet.workloads),
        )
