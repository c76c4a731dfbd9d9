"""Runs: outcomes stored and the next ones taken in one turn; logs apart from both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import apsw
import msgspec
from backports import zstd

from tinyforge.clock import Moment
from tinyforge.errors import Conflict, StoreUnavailable
from tinyforge.ids import show
from tinyforge.model import (
    Event,
    EventDraft,
    EventId,
    Queue,
    Run,
    RunId,
    RunState,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.store.cells import sound_workload
from tinyforge.store.drafts import apart, drafted
from tinyforge.store.port import (
    Dead,
    Finished,
    LogPart,
    Places,
    TakenRun,
    Turn,
)
from tinyforge.store.rows import event_of
from tinyforge.store.sqlite import statements as sql
from tinyforge.store.sqlite.config import rows_where
from tinyforge.store.sqlite.history import find_run
from tinyforge.store.sqlite.hot import EVENT_COLUMNS, storing
from tinyforge.store.sqlite.lanes import Queued
from tinyforge.store.sqlite.parts import RETRIES, Parts, ask, text

OURS = """
SELECT r.id, r.attempt FROM json_each(?1) b JOIN runs r ON r.id = b.value ->> 0
WHERE r.state = 3 AND r.owner = ?2 AND r.attempt = b.value ->> 1"""
CANCEL = "UPDATE runs SET state = 6, ended_at = ?2, error = ?3 WHERE id = ?1 AND state = 2"
REQUEUE = """
UPDATE runs SET state = 2, ready_at = ?2, ended_at = NULL, error = NULL, owner = NULL
WHERE id = ?1 AND state IN (5, 6, 8)"""
EVENTS_BY_ID = f"""
SELECT {EVENT_COLUMNS} FROM events WHERE id IN (SELECT value FROM json_each(?))"""  # noqa: S608 - our own columns
PUT_LOG = """
INSERT OR REPLACE INTO run_log(run_id, seq, at, lines, bytes, chunk) VALUES (?, ?, ?, ?, ?, ?)"""
DROP_LOG = "DELETE FROM run_log WHERE run_id = ? AND seq IN (SELECT value FROM json_each(?))"
SOUND_WORKLOADS = """
SELECT id, name, kind, config, queue, timeout, retry, idempotent, place, managed_by, revision_id
FROM workloads WHERE broken IS NULL AND id IN (SELECT value FROM json_each(?))"""
LABELS = """
SELECT id, CAST(name AS BLOB), CAST(kind AS BLOB) FROM triggers
WHERE id IN (SELECT value FROM json_each(?))"""
DEAD = """
SELECT r.id, r.workload_id, r.event_id, r.attempt, coalesce(r.started_at, r.queued_at),
  (SELECT count(*) FROM attempts a WHERE a.run_id = r.id AND a.outcome = 'died') + 1,
  r.binding_id, coalesce(CASE WHEN w.broken IS NULL THEN w.queue END, 'latest')
FROM runs r LEFT JOIN workloads w ON w.id = r.workload_id
WHERE r.state = 3 AND r.owner IS NOT ?"""
BACK_TO_QUEUE = """
UPDATE runs SET state = iif(b.by IS NULL, 2, 7), ready_at = b.ready, owner = NULL,
  ended_at = iif(b.by IS NULL, NULL, ?2), superseded_by = b.by
FROM (SELECT value ->> 0 AS id, value ->> 1 AS by, value ->> 2 AS ready FROM jsonb_each(?1)) b
WHERE runs.id = b.id AND runs.state = 3"""
INTERRUPT = """
UPDATE runs SET state = 8, ended_at = ?2, error = ?3
WHERE id IN (SELECT value FROM json_each(?1)) AND state = 3"""
FEW = 16  # rows
DIED = "the server died while it was deploying"


class Stale(Conflict):
    """Some finished runs are no longer ours."""


class RunRows:
    _parts: Parts

    def next_ready_at(self, now: Moment) -> Moment | None:
        return self._parts.lanes.next_ready_at(now)

    def has_ready(self, now: Moment) -> bool:
        return self._parts.lanes.has_ready(now)

    async def turn(
        self,
        finished: Sequence[Finished],
        follow_ups: Sequence[EventDraft],
        places: Places,
        now: Moment,
    ) -> Turn:
        if not finished and not (places.free or places.ahead):
            return Turn(taken=(), stale=(), events=())
        stale: list[TakenRun] = []
        for _ in range(RETRIES):
            try:
                return await self._turn(finished, follow_ups, places, now, stale)
            except Stale:
                finished, gone = await self._still_ours(finished)
                stale += gone
        raise StoreUnavailable("runs kept changing while their ends were stored")

    async def _turn(
        self,
        finished: Sequence[Finished],
        follow_ups: Sequence[EventDraft],
        places: Places,
        now: Moment,
        stale: Sequence[TakenRun],
    ) -> Turn:
        events = drafted(self._parts.ids, follow_ups, now)
        done: list[list[TakenRun]] = []

        def prepare(at: Moment) -> Callable[[apsw.Connection], None]:
            rows = self._ended(finished, at)
            taken = self._taken(places, at)
            done[:] = [taken]
            outcome = _Outcome(rows, finished, events, taken)
            return _storing_turn(outcome, self._parts.instance, at)

        if not finished and self._parts.knows_lanes and not self.has_ready(now):
            return Turn(taken=(), stale=stale, events=())
        await self._parts.ordered(prepare, now)
        return Turn(taken=done[0], stale=stale, events=events)

    def _ended(self, finished: Sequence[Finished], now: Moment) -> list[tuple[object, ...]]:
        """Free the workloads; what is queued again finds its place, or is superseded."""
        lanes = self._parts.lanes
        rows: list[tuple[object, ...]] = []
        for end in finished:
            run, state, by = end.run, end.state, None
            lanes.ended(run.workload_id, run.run_id, now)
            given_back = 0 if end.counted else 1
            if state is RunState.QUEUED:
                entry = Queued(
                    run.event_id,
                    run.run_id,
                    run.binding_id,
                    run.attempt - given_back,
                    end.ready_at,
                    run.repeatable,
                )
                by = lanes.put_back(run.workload_id, end.queue, entry, now)
            if by is not None:
                state = RunState.SUPERSEDED
            ended = end.ended_at if state.is_over else None
            moments = (end.started_at, ended, end.error, end.ready_at)
            rows.append((run.run_id, run.attempt, int(state), *moments, by, given_back))
        return rows

    def _taken(self, places: Places, now: Moment) -> list[TakenRun]:
        found = self._parts.lanes.take(places.free, places.ahead, now)
        return [
            TakenRun(q.run_id, q.event_id, q.binding_id, workload, q.attempt + 1, q.ahead)
            for workload, q in found
        ]

    async def _still_ours(
        self, finished: Sequence[Finished]
    ) -> tuple[list[Finished], list[TakenRun]]:
        wanted = text([(end.run.run_id, end.run.attempt) for end in finished])
        owner = self._parts.instance
        rows = await self._parts.writer.submit(lambda db: ask(db, OURS, (wanted, owner)))
        ours = set(rows)
        kept = [end for end in finished if (end.run.run_id, end.run.attempt) in ours]
        return kept, [end.run for end in finished if (end.run.run_id, end.run.attempt) not in ours]

    async def cancel_queued(
        self, run_id: RunId, follow_ups: Sequence[EventDraft], now: Moment
    ) -> list[Event]:
        run = await find_run(self._parts, run_id)
        events = drafted(self._parts.ids, follow_ups, now)

        def prepare(at: Moment) -> Callable[[apsw.Connection], None]:
            self._parts.lanes.remove(run.workload_id, run_id)

            def work(db: apsw.Connection) -> None:
                db.execute(CANCEL, (run_id, at, "cancelled before it began"))
                if not db.changes():
                    raise Conflict(f"{show('run', run_id)} is not queued any more")
                if events:
                    storing(events, at)(db)

            return work

        await self._parts.ordered(prepare, now)
        return events

    async def ask_to_cancel(self, run_id: RunId, actor: str, now: Moment) -> None:  # noqa: ARG002 - the port's
        raise Conflict(f"{show('run', run_id)} is just ending")

    def holds(self, run: TakenRun) -> bool:  # noqa: ARG002 - the port's; nobody else has the file
        return True

    async def requeue(self, run_id: RunId, now: Moment) -> Run:
        run = await find_run(self._parts, run_id)
        workload = (await self.workloads_by_id([run.workload_id])).get(run.workload_id)
        queue = workload.queue if workload else Queue.LATEST
        entry = Queued(run.event_id, run_id, run.binding_id, run.attempt, now, ahead=False)

        def prepare(at: Moment) -> Callable[[apsw.Connection], None]:
            newer = self._parts.lanes.put_back(run.workload_id, queue, entry, at)

            def work(db: apsw.Connection) -> None:
                if newer is not None:
                    raise Conflict(f"a newer run, {show('run', newer)}, is queued already")
                db.execute(REQUEUE, (run_id, at))
                if not db.changes():
                    raise Conflict(f"{show('run', run_id)} did not fail: there is nothing to retry")

            return work

        await self._parts.ordered(prepare, now)
        return await find_run(self._parts, run_id)

    async def workloads_by_id(self, ids: Sequence[WorkloadId]) -> dict[WorkloadId, Workload]:
        found: dict[WorkloadId, Workload] = {}
        try:
            for row in self._parts.look(SOUND_WORKLOADS, (text(list(ids)),)):
                workload = sound_workload(row)
                found[workload.id] = workload
        except (ValueError, TypeError, msgspec.MsgspecError):
            found.clear()  # a hand was there, and no sweep since
        missing = [number for number in ids if number not in found]
        return found | (await self._workloads_by_cells(missing) if missing else {})

    async def _workloads_by_cells(self, ids: Sequence[WorkloadId]) -> dict[WorkloadId, Workload]:
        within = "r.id IN (SELECT value FROM json_each(?))"
        found = rows_where(self._parts.near, "workload", within, (text(list(ids)),))
        return {f.row.id: f.row for f in found if isinstance(f.row, Workload)}

    async def events_by_id(self, ids: Sequence[EventId]) -> dict[EventId, Event]:
        rows = self._parts.look(EVENTS_BY_ID, (text(list(ids)),))
        return {event.id: event for event in map(event_of, rows)}

    async def trigger_labels(self, ids: Collection[TriggerId]) -> dict[TriggerId, tuple[str, str]]:
        rows = self._parts.look(LABELS, (text(sorted(ids)),))
        return {
            TriggerId(number): (name.decode(errors="replace"), kind.decode(errors="replace"))
            for number, name, kind in rows
        }

    async def changes_of(self, ids: Sequence[RunId]) -> dict[RunId, int]:
        return dict(self._parts.look(sql.CHANGES_OF, (text(list(ids)),)))

    async def append_log(self, chunks: Sequence[LogPart], now: Moment) -> None:
        def work(db: apsw.Connection) -> None:
            for run_id, seq, lines, dropped in chunks:
                plain = "\n".join(lines).encode(errors="replace")
                packed = zstd.compress(plain)
                db.execute(PUT_LOG, (run_id, seq, now, len(lines), len(plain), packed))
                if dropped:
                    db.execute(DROP_LOG, (run_id, text(list(dropped))))

        await self._parts.writer.submit(work, background=True)

    # --- what a server that died left

    @property
    def instance(self) -> int:
        return self._parts.instance

    async def dead_runs(self) -> list[Dead]:
        owner = self._parts.instance
        rows = await self._parts.read(lambda db: ask(db, DEAD, (owner,)))
        return list(map(Dead._make, rows))

    async def recover(
        self,
        requeued: Sequence[Dead],
        interrupted: Sequence[Dead],
        follow_ups: Sequence[EventDraft],
        now: Moment,
    ) -> list[Event]:
        events = drafted(self._parts.ids, follow_ups, now)
        deaths = [
            (dead.run_id, dead.attempt, dead.started_at, now, "died", DIED)
            for dead in sorted([*requeued, *interrupted])
        ]

        def prepare(at: Moment) -> Callable[[apsw.Connection], None]:
            again = text(self._queued_again(requeued, interrupted, at))

            def work(db: apsw.Connection) -> None:
                db.execute(sql.ATTEMPTS, (text(deaths), None))
                db.execute(BACK_TO_QUEUE, (again, at))
                db.execute(INTERRUPT, (text([dead.run_id for dead in interrupted]), at, DIED))
                if events:
                    storing(events, at)(db)

            return work

        await self._parts.ordered(prepare, now)
        return events

    def _queued_again(
        self, requeued: Sequence[Dead], interrupted: Sequence[Dead], now: Moment
    ) -> list[tuple[RunId, RunId | None, Moment]]:
        """Free the workloads of the dead; give each requeued run the newer one, and its moment."""
        lanes = self._parts.lanes
        for dead in (*requeued, *interrupted):
            lanes.ended(dead.workload_id, dead.run_id, now)
        rows = []
        for dead, ready_at in apart(requeued, now):
            again = (dead.event_id, dead.run_id, dead.binding_id, dead.attempt, ready_at, False)
            by = lanes.put_back(dead.workload_id, dead.queue, Queued(*again), now)
            rows.append((dead.run_id, by, ready_at))
        return rows


def _run_number(row: tuple[object, ...]) -> int:
    return row[0] if isinstance(row[0], int) else 0


class _Outcome(NamedTuple):
    """What one turn stores."""

    rows: Sequence[tuple[object, ...]]
    finished: Sequence[Finished]
    events: Sequence[Event]
    taken: Sequence[TakenRun]


def _storing_turn(outcome: _Outcome, owner: int, now: Moment) -> Callable[[apsw.Connection], None]:
    rows, finished, events, taken = outcome
    finish = _changing(sql.FINISH, sorted(rows, key=_run_number), owner)
    attempts = text(
        sorted(
            (e.run.run_id, e.run.attempt, e.started_at, e.ended_at, e.outcome, e.error)
            for e in finished
            if e.counted
        )
    )
    begin = _changing(sql.TAKE, sorted((run.run_id,) for run in taken), now, owner)
    follow = storing(events, now) if events else None

    def work(db: apsw.Connection) -> None:
        if rows:
            finish(db)
            db.execute(sql.ATTEMPTS, (attempts, owner))
        if follow is not None:
            follow(db)
        if taken:
            begin(db)

    return work


def _changing(
    statements: tuple[str, str], rows: Sequence[tuple[object, ...]], *rest: object
) -> Callable[[apsw.Connection], None]:
    """Change every one of *rows* or raise Stale; by the first statement each, or by the other all.

    The one for a batch takes 0.1 ms before its first row.
    """
    one, many = statements
    packed = text(rows) if len(rows) > FEW else None

    def work(db: apsw.Connection) -> None:
        before = db.total_changes()
        if packed is None:
            db.executemany(one, [(*row, *rest) for row in rows])
        else:
            db.execute(many, (packed, *rest))
        if db.total_changes() - before != len(rows):
            raise Stale

    return work
