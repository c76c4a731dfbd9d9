"""Upkeep: counts, retention, checkpoints, checks, and the few facts about the file itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import apsw

from tinyforge.clock import Moment
from tinyforge.errors import StoreUnavailable
from tinyforge.store.port import Counts, Limits, Swept
from tinyforge.store.sqlite.connection import ENVIRONMENT, open_checkpointer
from tinyforge.store.sqlite.expired import delete, expired
from tinyforge.store.sqlite.parts import Parts, ask, text

SWEEP = 5_000
TRIGGERS_BY_KIND = """
SELECT CAST(kind AS BLOB), count(*) FROM triggers WHERE deleted_at IS NULL GROUP BY 1"""
BROKEN = """
SELECT 'trigger', count(*) FROM triggers
WHERE broken IS NOT NULL AND typeof(deleted_at) <> 'integer'
UNION ALL
SELECT 'workload', count(*) FROM workloads
WHERE broken IS NOT NULL AND typeof(deleted_at) <> 'integer'
UNION ALL
SELECT 'binding', count(*) FROM bindings
WHERE broken IS NOT NULL AND typeof(deleted_at) <> 'integer'"""
PAUSED = "SELECT count(*) FROM timing WHERE paused_at IS NOT NULL"
OPEN = "SELECT count(*) FROM events WHERE fanned_at IS NULL"
UNPLANNED = "SELECT count(*) FROM unplanned"
OLDEST_READY = "SELECT min(ready_at) FROM runs INDEXED BY run_queue WHERE state = 2"
OLDEST_DUE = "SELECT min(due_at) FROM timing WHERE due_at IS NOT NULL"
OLD_EVENTS = """
SELECT id, trigger_id, coalesce(window_at, accepted_at), accepted_at FROM events
WHERE id > ?1 ORDER BY id DESC"""
DELETE_EVENTS = "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))"
DELETE_RESULTS = "DELETE FROM results WHERE event_id IN (SELECT value FROM json_each(?))"
DELETE_LOGS_OF = """
DELETE FROM run_log WHERE run_id IN
  (SELECT id FROM runs WHERE event_id IN (SELECT value FROM json_each(?)))"""
DELETE_ATTEMPTS = """
DELETE FROM attempts WHERE run_id IN
  (SELECT id FROM runs WHERE event_id IN (SELECT value FROM json_each(?)))"""
DELETE_MATCHES = """
DELETE FROM matches WHERE run_id IN
  (SELECT id FROM runs WHERE event_id IN (SELECT value FROM json_each(?)))"""
DELETE_DECISIONS = "DELETE FROM decisions WHERE of_id IN (SELECT value FROM json_each(?))"
DELETE_EARLIER = "DELETE FROM earlier_results WHERE event_id IN (SELECT value FROM json_each(?))"
OF_EVENTS = (DELETE_RESULTS, DELETE_EARLIER, DELETE_DECISIONS, DELETE_LOGS_OF, DELETE_MATCHES)
DELETE_RUNS = "DELETE FROM runs WHERE event_id IN (SELECT value FROM json_each(?))"
DELETE_SPANS = "DELETE FROM spans WHERE trigger_id = ?1 AND until_at <= ?2"
PROVED_FROM = """
UPDATE triggers SET proved_from = max(coalesce(proved_from, 0), ?2) WHERE id = ?1"""
LIVE_RUN = """
SELECT DISTINCT event_id FROM runs
WHERE state IN (2, 3) AND event_id IN (SELECT value FROM json_each(?))"""
OLD_LOGS = "SELECT id, length(chunk) FROM run_log WHERE at < ?1 ORDER BY id LIMIT ?2"
LOG_BYTES = "SELECT coalesce(sum(length(chunk)), 0) FROM run_log"
OLDEST_LOGS = "SELECT id, length(chunk) FROM run_log ORDER BY id LIMIT ?"
DELETE_LOGS = "DELETE FROM run_log WHERE id IN (SELECT value FROM json_each(?))"
GET_FACT = "SELECT CAST(value AS TEXT) FROM facts WHERE name = ?"
SET_FACT = """
INSERT INTO facts(name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2"""
DROP_FACT = "DELETE FROM facts WHERE name = ?"


class UpkeepRows:
    _parts: Parts

    async def counts(self) -> Counts:
        counts = await self._parts.read(_counts)
        lanes = self._parts.lanes
        return Counts(
            triggers=counts.triggers,
            broken=counts.broken,
            paused=counts.paused,
            runs={"queued": lanes.queued, "running": lanes.running},
            unplaced=lanes.unplaced,
            oldest_ready=counts.oldest_ready if lanes.queued else None,
            oldest_undecided=counts.oldest_undecided,
            open_events=counts.open_events,
            unplanned=counts.unplanned,
        )

    async def sweep_history(self, keep: Limits, now: Moment) -> Swept:
        old = await self._parts.read(lambda db: _old_events(db, keep, now))
        logs = await self._parts.read(lambda db: _old_logs(db, keep, now))
        gone = await self._parts.read(lambda db: expired(db, keep, now, SWEEP))
        if not (old or logs or gone.bodies or gone.deliveries):
            return Swept(events=0, runs=0, log_bytes=0, more=False)
        ids = [event_id for event_id, _, _ in old]
        proved: dict[int, Moment] = {}
        for _, trigger_id, moment in old:
            proved[trigger_id] = max(proved.get(trigger_id, 0), moment)

        def work(db: apsw.Connection) -> int:
            delete(db, gone, now)
            return _delete(db, ids, proved, [number for number, _ in logs])

        runs = await self._parts.writer.submit(work, background=True)
        more = len(old) == SWEEP or len(logs) == SWEEP or gone.fills(SWEEP)
        size = sum(size for _, size in logs)
        return Swept(
            events=len(ids),
            runs=runs,
            log_bytes=size,
            more=more,
            deliveries=len(gone.deliveries),
            body_bytes=gone.size,
        )

    async def checkpoint(self) -> None:
        """Move what is committed into the database file, without ever waiting for anybody."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._parts.upkeep_thread, self._checkpoint)

    def _checkpoint(self) -> None:
        connection = self._parts.checkpointer
        if connection is None:
            connection = self._parts.checkpointer = open_checkpointer(self._parts.path)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:  # somebody else does it just now
            return
        except ENVIRONMENT as problem:
            raise StoreUnavailable(str(problem)) from problem

    async def check(self) -> list[str]:
        rows = await self._parts.read(lambda db: ask(db, "PRAGMA quick_check(20)"))
        return [row[0] for row in rows if row[0] != "ok"]

    async def fact(self, name: str) -> str | None:
        rows = await self._parts.read(lambda db: ask(db, GET_FACT, (name,)))
        return rows[0][0] if rows else None

    async def set_fact(self, name: str, value: str | None) -> None:
        def work(db: apsw.Connection) -> None:
            if value is None:
                db.execute(DROP_FACT, (name,))
            else:
                db.execute(SET_FACT, (name, value))

        await self._parts.writer.submit(work)


def _counts(db: apsw.Connection) -> Counts:
    def one(query: str) -> int:
        return int(ask(db, query)[0][0])

    kinds = ask(db, TRIGGERS_BY_KIND)
    return Counts(
        triggers={kind.decode(errors="replace")[:63]: count for kind, count in kinds},
        broken={what: count for what, count in ask(db, BROKEN) if count},
        paused=one(PAUSED),
        runs={},
        oldest_ready=ask(db, OLDEST_READY)[0][0],
        oldest_undecided=ask(db, OLDEST_DUE)[0][0],
        open_events=one(OPEN),
        unplanned=one(UNPLANNED),
    )


def _old_events(db: apsw.Connection, keep: Limits, now: Moment) -> list[tuple[int, int, Moment]]:
    """Return the oldest events that are kept no longer, with what they prove of their trigger."""
    oldest = ask(db, "SELECT min(accepted_at) FROM events")[0][0]
    if oldest is None or oldest >= now - keep.history:
        return []
    seen: Counter[int] = Counter()
    old: list[tuple[int, int, Moment]] = []
    for number, trigger_id, moment, accepted_at in db.execute(OLD_EVENTS, (0,)):
        seen[trigger_id] += 1
        if accepted_at < now - keep.history and seen[trigger_id] > keep.decisions:
            old.append((number, trigger_id, moment))
    batch = old[-SWEEP:]
    live = ask(db, LIVE_RUN, (text([number for number, _, _ in batch]),))
    busy = {row[0] for row in live}
    return [one for one in batch if one[0] not in busy]


def _old_logs(db: apsw.Connection, keep: Limits, now: Moment) -> list[tuple[int, int]]:
    old = ask(db, OLD_LOGS, (now - keep.logs, SWEEP))
    if old:
        return list(old)
    excess = ask(db, LOG_BYTES)[0][0] - keep.log_bytes
    chosen: list[tuple[int, int]] = []
    for number, size in ask(db, OLDEST_LOGS, (SWEEP,)) if excess > 0 else ():
        if excess <= 0:
            break
        excess -= size
        chosen.append((number, size))
    return chosen


def _delete(
    db: apsw.Connection, ids: Sequence[int], proved: dict[int, Moment], logs: Sequence[int]
) -> int:
    events = text(ids)
    for statement in (*OF_EVENTS, DELETE_ATTEMPTS, DELETE_RUNS):
        db.execute(statement, (events,))
    runs = db.changes()
    db.execute(DELETE_EVENTS, (events,))
    for trigger_id, moment in proved.items():
        db.execute(PROVED_FROM, (trigger_id, moment))
        db.execute(DELETE_SPANS, (trigger_id, moment))
    db.execute(DELETE_LOGS, (text(list(logs)),))
    return runs
