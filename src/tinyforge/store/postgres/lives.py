"""Who serves, and what those left that died: a lease for each replica, renewed by its heartbeat."""

from __future__ import annotations

from collections.abc import Sequence

from tinyforge.clock import Moment
from tinyforge.model import Event, EventDraft, Queue, RunId, WorkloadId
from tinyforge.store.drafts import apart, drafted
from tinyforge.store.port import Dead
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.connection import Session, text
from tinyforge.store.postgres.hot import hold_lanes, storing
from tinyforge.store.postgres.lanes import Lane
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.registry import LAPSED, TENDED

# One replica alone ends what still runs of them: a second one could hit the next attempt.
HOLD_DEAD = f"""
SELECT r.id FROM runs r WHERE r.state = 3 AND NOT EXISTS (SELECT 1 FROM servers s WHERE {TENDED})
  AND NOT EXISTS (SELECT 1 FROM workloads w  -- whether it may run again, they know
    WHERE w.id = r.workload_id AND w.idempotent IS NULL AND w.kind = ANY($2::text[]))
ORDER BY r.id FOR UPDATE OF r SKIP LOCKED"""  # noqa: S608 - our own condition
# A new statement, for another replica may have begun to recover them before the rows were locked.
TEND_DEAD = f"""
UPDATE runs r SET recovered_by = $1 WHERE r.id = ANY($2::bigint[])
  AND NOT EXISTS (SELECT 1 FROM servers s WHERE {TENDED}) RETURNING r.id"""  # noqa: S608 - our own condition
DEAD = """
SELECT r.id, r.workload_id, r.event_id, r.attempt, coalesce(r.started_at, r.queued_at),
  (SELECT count(*) FROM attempts a WHERE a.run_id = r.id AND a.outcome = 'died') + 1,
  r.binding_id, coalesce(CASE WHEN w.broken IS NULL THEN w.queue END, 'latest')
FROM runs r LEFT JOIN workloads w ON w.id = r.workload_id
WHERE r.id = ANY($1::bigint[]) ORDER BY r.id"""
# Waits for whoever stores something under that lease just now; it renews no lease that is gone.
BURY = f"DELETE FROM servers s WHERE {LAPSED}"  # noqa: S608 - our own condition
STILL_DEAD = """
SELECT r.id, r.attempt FROM runs r WHERE r.id = ANY($1::bigint[]) AND r.state = 3
  AND r.recovered_by = $2 AND NOT EXISTS (SELECT 1 FROM servers s WHERE s.instance = r.owner)
FOR UPDATE OF r"""
BACK_TO_QUEUE = f"""
UPDATE runs SET state = CASE WHEN b.successor IS NULL THEN 2 ELSE 7 END, ready_at = b.ready,
  owner = NULL, recovered_by = NULL, superseded_by = b.successor,
  ended_at = CASE WHEN b.successor IS NULL THEN NULL ELSE $2::bigint END
FROM {sql.unpacked("id", "successor", "ready")} WHERE runs.id = b.id AND {sql.still(3)}"""  # noqa: S608 - our own columns
INTERRUPT = """
UPDATE runs SET state = 8, ended_at = $2, error = $3 WHERE id = ANY($1::bigint[]) AND state = 3"""
DIED = "the server died while it was deploying"


class LifeRows:
    _parts: Parts

    @property
    def instance(self) -> int:
        return self._parts.instance

    async def dead_runs(self) -> list[Dead]:
        ours = self._parts.instance

        async def work(session: Session) -> list[Dead]:
            await session.do(BURY)
            others = sorted(self._parts.elsewhere.workload_kinds)
            held = [row[0] for row in await session.ask(HOLD_DEAD, ours, others)]
            tended = [row[0] for row in await session.ask(TEND_DEAD, ours, held)]
            return list(map(Dead._make, await session.ask(DEAD, tended)))

        return await self._parts.database.write(work)

    async def recover(
        self,
        requeued: Sequence[Dead],
        interrupted: Sequence[Dead],
        follow_ups: Sequence[EventDraft],
        now: Moment,
    ) -> list[Event]:
        events, ours = drafted(self._parts.ids, follow_ups, now), self._parts.instance

        async def work(session: Session) -> frozenset[int]:
            lanes = await hold_lanes(session, sorted({dead.workload_id for dead in requeued}))
            still = await _still_dead(session, [*requeued, *interrupted], ours)
            again = _queued_again([dead for dead in requeued if _token(dead) in still], lanes, now)
            over = [dead.run_id for dead in interrupted if _token(dead) in still]
            deaths = [
                (dead.run_id, dead.attempt, dead.started_at, now, "died", DIED)
                for dead in sorted([*requeued, *interrupted])
                if _token(dead) in still
            ]
            await session.do(sql.ATTEMPTS, text(deaths), None)
            await session.do(BACK_TO_QUEUE, text(again), now)
            await session.do(INTERRUPT, over, now, DIED)
            return await storing(session, events, now) if events else frozenset()

        stored = await self._parts.database.write(work)
        if interrupted:  # their workloads are free for the next one
            self._parts.queue.note(now, now)
        for _, ready_at in apart(requeued, now):
            self._parts.queue.note(ready_at, now)
        return [event for event in events if event.id in stored]


def _token(dead: Dead) -> tuple[int, int]:
    return dead.run_id, dead.attempt


async def _still_dead(session: Session, dead: Sequence[Dead], ours: int) -> set[tuple[int, int]]:
    """Return what is still ours to recover: our own lease may have been over meanwhile."""
    found = await session.ask(STILL_DEAD, sorted(one.run_id for one in dead), ours)
    return {(number, attempt) for number, attempt in found}


def _queued_again(
    requeued: Sequence[Dead], lanes: dict[WorkloadId, Lane], now: Moment
) -> list[tuple[RunId, RunId | None, Moment]]:
    """Give each requeued run the newer one that supersedes it, if any, and its moment."""
    rows: list[tuple[RunId, RunId | None, Moment]] = []
    for dead, ready_at in apart(requeued, now):
        lane = lanes[dead.workload_id]
        newer = lane.newer_than(dead.event_id) if dead.queue == Queue.LATEST else None
        if newer is None:
            lane.add(dead.event_id, dead.run_id)
        rows.append((dead.run_id, newer, ready_at))
    return rows
