"""Upkeep: counts, retention, checks, and the few facts about the database itself."""

from __future__ import annotations

from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.store.port import Counts, Limits, Swept
from tinyforge.store.postgres.connection import Row, Session, text
from tinyforge.store.postgres.expired import delete, expired
from tinyforge.store.postgres.parts import Counted, Parts
from tinyforge.store.postgres.statements import FITS, unpacked

SWEEP = 5_000
TRIGGERS_BY_KIND = """
SELECT left(kind, 63), count(*) FROM triggers WHERE deleted_at IS NULL GROUP BY 1"""
BROKEN = """
SELECT 'trigger', count(*) FROM triggers WHERE broken IS NOT NULL AND deleted_at IS NULL
UNION ALL
SELECT 'workload', count(*) FROM workloads WHERE broken IS NOT NULL AND deleted_at IS NULL
UNION ALL
SELECT 'binding', count(*) FROM bindings WHERE broken IS NOT NULL AND deleted_at IS NULL"""
PAUSED = "SELECT count(*) FROM timing WHERE paused_at IS NOT NULL"
NOW = f"""
WITH nowhere AS (SELECT w.id FROM workloads w WHERE w.id = ANY($1::bigint[]) AND NOT EXISTS
  (SELECT 1 FROM servers s WHERE s.lease_until > clock_timestamp() AND {FITS}))
SELECT (SELECT count(*) FROM runs WHERE state = 2), (SELECT count(*) FROM runs WHERE state = 3),
  (SELECT due_at FROM timing WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1),
  (SELECT count(*) FROM events WHERE fanned_at IS NULL), (SELECT count(*) FROM unplanned),
  (SELECT count(*) FROM nowhere JOIN runs r ON r.workload_id = nowhere.id AND r.state = 2),
  (SELECT min(ready_at) FROM runs WHERE state = 2)"""  # noqa: S608 - our own condition
OLDEST_EVENT = "SELECT accepted_at FROM events ORDER BY id LIMIT 1"
OLD_EVENTS = f"""
SELECT id, trigger_id, moment FROM (
  SELECT id, trigger_id, coalesce(window_at, accepted_at) AS moment, accepted_at,
    row_number() OVER (PARTITION BY trigger_id ORDER BY id DESC) AS place FROM events) e
WHERE accepted_at < $1 AND place > $2
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event_id = e.id AND r.state IN (2, 3))
ORDER BY id LIMIT {SWEEP}"""  # noqa: S608 - a number of ours
OLD_LOGS = "SELECT id, length(chunk) FROM run_log WHERE at < $1 ORDER BY id LIMIT $2"
EXCESS_LOGS = """
SELECT id, size FROM (
  SELECT id, length(chunk) AS size, sum(length(chunk)) OVER (ORDER BY id DESC) AS total
  FROM run_log) l
WHERE total > $1 ORDER BY id LIMIT $2"""
DELETE_RESULTS = "DELETE FROM results WHERE event_id = ANY($1::bigint[])"
RUNS_OF = "SELECT id FROM runs WHERE event_id = ANY($1::bigint[])"
DELETE_LOGS_OF = f"DELETE FROM run_log WHERE run_id IN ({RUNS_OF})"  # noqa: S608 - our own query
DELETE_ATTEMPTS = f"DELETE FROM attempts WHERE run_id IN ({RUNS_OF})"  # noqa: S608 - our own query
DELETE_MATCHES = f"DELETE FROM matches WHERE run_id IN ({RUNS_OF})"  # noqa: S608 - our own query
DELETE_DECISIONS = "DELETE FROM decisions WHERE of_id = ANY($1::bigint[])"
DELETE_EARLIER = "DELETE FROM earlier_results WHERE event_id = ANY($1::bigint[])"
OF_EVENTS = (DELETE_RESULTS, DELETE_EARLIER, DELETE_DECISIONS, DELETE_LOGS_OF, DELETE_MATCHES)
DELETE_RUNS = "DELETE FROM runs WHERE event_id = ANY($1::bigint[])"
DELETE_EVENTS = "DELETE FROM events WHERE id = ANY($1::bigint[])"
DELETE_LOGS = "DELETE FROM run_log WHERE id = ANY($1::bigint[])"
DELETE_SPANS = f"""
DELETE FROM spans s USING {unpacked("trigger_id", "moment")}
WHERE s.trigger_id = b.trigger_id AND s.until_at <= b.moment"""  # noqa: S608 - our own columns
PROVED_FROM = f"""
UPDATE triggers t SET proved_from = greatest(t.proved_from, b.moment)
FROM {unpacked("trigger_id", "moment")} WHERE t.id = b.trigger_id"""  # noqa: S608 - our own columns
INVALID = """
SELECT format('the index %s is invalid; REINDEX it', c.relname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname = current_schema()"""
GET_FACT = "SELECT value FROM facts WHERE name = $1"
SET_FACT = """
INSERT INTO facts(name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2"""
DROP_FACT = "DELETE FROM facts WHERE name = $1"


class UpkeepRows:
    _parts: Parts

    async def counts(self) -> Counts:
        """Count what changes; config, which is much to count, once for each change of it."""
        parts = self._parts
        before = parts.counted
        known = parts.known if parts.is_trusted else None
        if known is None or before is None or not before.holds(known, parts.monotonic()):
            config = await parts.database.read(_of_config)
            before = parts.counted = Counted(known, parts.monotonic(), config)
        elif known.is_at_rest:
            return replace(before.counts, oldest_undecided=known.next_due_at)
        (found,) = await parts.database.ask(NOW, sorted(parts.barred.ids))
        queued, running, oldest, open_events, unplanned, unplaced, oldest_ready = found
        return replace(
            before.counts,
            runs={"queued": queued, "running": running},
            oldest_undecided=oldest,
            open_events=open_events,
            unplanned=unplanned,
            unplaced=unplaced,
            oldest_ready=oldest_ready,
        )

    async def sweep_history(self, keep: Limits, now: Moment) -> Swept:
        old = await self._old_events(keep, now)
        logs = await self._old_logs(keep, now)
        gone = await expired(self._parts.database, keep, now, SWEEP)
        if not (old or logs or gone.bodies or gone.deliveries):
            return Swept(events=0, runs=0, log_bytes=0, more=False)
        proved: dict[int, Moment] = {}
        for _, trigger_id, moment in old:
            proved[trigger_id] = max(proved.get(trigger_id, 0), moment)
        sweep = _Sweep([row[0] for row in old], proved, [row[0] for row in logs])

        async def work(session: Session) -> int:
            await delete(session, gone, now)
            return await sweep.work(session)

        runs = await self._parts.database.write(work)
        more = len(old) == SWEEP or len(logs) == SWEEP or gone.fills(SWEEP)
        size = sum(size for _, size in logs)
        return Swept(
            events=len(old),
            runs=runs,
            log_bytes=size,
            more=more,
            deliveries=len(gone.deliveries),
            body_bytes=gone.size,
        )

    async def checkpoint(self) -> None:
        """Leave that to the database, which does it by itself."""

    async def check(self) -> list[str]:
        return [row[0] for row in await self._parts.database.ask(INVALID)]

    async def fact(self, name: str) -> str | None:
        rows = await self._parts.database.ask(GET_FACT, name)
        return rows[0][0] if rows else None

    async def set_fact(self, name: str, value: str | None) -> None:
        if value is None:
            await self._parts.database.do(DROP_FACT, name)
        else:
            await self._parts.database.do(SET_FACT, name, value)

    async def _old_events(self, keep: Limits, now: Moment) -> list[Row]:
        oldest = await self._parts.database.ask(OLDEST_EVENT)
        if not oldest or oldest[0][0] >= now - keep.history:
            return []
        return await self._parts.database.ask(OLD_EVENTS, now - keep.history, keep.decisions)

    async def _old_logs(self, keep: Limits, now: Moment) -> list[Row]:
        old = await self._parts.database.ask(OLD_LOGS, now - keep.logs, SWEEP)
        return old or await self._parts.database.ask(EXCESS_LOGS, keep.log_bytes, SWEEP)


class _Sweep:
    """What one bounded batch deletes."""

    def __init__(self, events: list[int], proved: dict[int, Moment], logs: list[int]) -> None:
        self._events, self._proved, self._logs = events, proved, logs

    async def work(self, session: Session) -> int:
        """Delete, and return how many runs went."""
        for statement in (*OF_EVENTS, DELETE_ATTEMPTS):
            await session.do(statement, self._events)
        runs = await session.do(DELETE_RUNS, self._events)
        await session.do(DELETE_EVENTS, self._events)
        proved = text(sorted(self._proved.items()))
        await session.do(PROVED_FROM, proved)
        await session.do(DELETE_SPANS, proved)
        await session.do(DELETE_LOGS, self._logs)
        return runs


async def _of_config(session: Session) -> Counts:
    """Count as if nothing was under way."""
    broken = await session.ask(BROKEN)
    return Counts(
        triggers=dict(await session.ask(TRIGGERS_BY_KIND)),
        broken={what: count for what, count in broken if count},
        paused=int(await session.one(PAUSED)),
        runs={"queued": 0, "running": 0},
        oldest_undecided=None,
        open_events=0,
        unplanned=0,
    )
