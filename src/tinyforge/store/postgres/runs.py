"""Runs: outcomes stored and the next ones taken in one turn; logs apart from both."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
from tinyforge.store.drafts import drafted
from tinyforge.store.port import Finished, LogPart, Places, TakenRun, Turn
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.config import rows_where
from tinyforge.store.postgres.connection import RETRIES, Session, text
from tinyforge.store.postgres.history import find_run
from tinyforge.store.postgres.hot import EVENT_COLUMNS, hold_lanes, storing
from tinyforge.store.postgres.parts import LEASE_OVER, Parts
from tinyforge.store.rows import event_of

OURS = f"""
SELECT r.id, r.attempt FROM unnest($1::bigint[], $2::int[]) b(id, attempt)
JOIN runs r ON r.id = b.id AND r.attempt = b.attempt WHERE {sql.still(3, "r")} AND r.owner = $3"""  # noqa: S608 - our own condition
UNDER_OUR_LEASE = """
SELECT id, event_id, binding_id, workload_id, attempt, repeatable FROM runs
WHERE state = 3 AND owner = $1"""
CANCEL = "UPDATE runs SET state = 6, ended_at = $2, error = $3 WHERE id = $1 AND state = 2"
REQUEUE = """
UPDATE runs SET state = 2, ready_at = $2, ended_at = NULL, error = NULL, owner = NULL
WHERE id = $1 AND state IN (5, 6, 8)"""
HOLD_AT_WORK = "SELECT id FROM runs WHERE id = $1 AND state = 3 FOR SHARE"
ASK_TO_CANCEL = """
INSERT INTO cancels(run_id, actor, asked_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""
FORGET_CANCEL = "DELETE FROM cancels WHERE run_id = $1"
EVENTS_BY_ID = f"SELECT {EVENT_COLUMNS} FROM events WHERE id = ANY($1::bigint[])"  # noqa: S608 - our own columns
LABELS = "SELECT id, name, kind FROM triggers WHERE id = ANY($1::bigint[])"
PUT_LOG = """
INSERT INTO run_log(run_id, seq, at, lines, bytes, chunk) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (run_id, seq) DO UPDATE SET at = excluded.at, lines = excluded.lines,
  bytes = excluded.bytes, chunk = excluded.chunk"""
DROP_LOG = "DELETE FROM run_log WHERE run_id = $1 AND seq = ANY($2::bigint[])"


class Stale(Conflict):
    """Some finished runs are no longer ours."""


class RunRows:
    _parts: Parts

    def next_ready_at(self, now: Moment) -> Moment | None:
        ready_at = self._parts.queue.next_ready_at
        return None if ready_at is None or ready_at <= now else ready_at

    def has_ready(self, now: Moment) -> bool:
        return self._parts.queue.has_ready(now)

    async def turn(
        self,
        finished: Sequence[Finished],
        follow_ups: Sequence[EventDraft],
        places: Places,
        now: Moment,
    ) -> Turn:
        stale: list[TakenRun] = []
        parts, instance = self._parts, self._parts.instance
        if finished and not parts.is_trusted:
            raise StoreUnavailable(LEASE_OVER)  # they may be another's by now
        events = drafted(self._parts.ids, follow_ups, now)
        for _ in range(RETRIES):
            if not finished and not events and not self._may_take(places, now):
                parts.share_what_is_left(now)
                return Turn(taken=(), stale=stale, events=())
            turn = _Turn(parts, finished, events, places, now)
            try:
                taken = await parts.database.write(turn.work)
            except Stale:
                finished, gone = await self._still_ours(finished)
                stale += gone
            except StoreUnavailable:
                parts.unsure = True
                raise
            else:
                turn.note_stored()
                taken = parts.begin(taken, instance)
                parts.share_what_is_left(now)
                return Turn(taken=taken, stale=stale, events=events)
        raise StoreUnavailable("runs kept changing while their ends were stored")

    def _may_take(self, places: Places, now: Moment) -> bool:
        wanted = places.free or places.ahead
        return bool(wanted) and (self._parts.unsure or self.has_ready(now))

    async def _still_ours(
        self, finished: Sequence[Finished]
    ) -> tuple[list[Finished], list[TakenRun]]:
        ids = [end.run.run_id for end in finished]
        attempts = [end.run.attempt for end in finished]
        rows = await self._parts.database.ask(OURS, ids, attempts, self._parts.instance)
        ours = set(rows)
        kept = [end for end in finished if (end.run.run_id, end.run.attempt) in ours]
        gone = [end.run for end in finished if (end.run.run_id, end.run.attempt) not in ours]
        for run in gone:
            if self._parts.held.get(run.run_id) == run:
                del self._parts.held[run.run_id]
        return kept, gone

    async def cancel_queued(
        self, run_id: RunId, follow_ups: Sequence[EventDraft], now: Moment
    ) -> list[Event]:
        await find_run(self._parts, run_id)
        events = drafted(self._parts.ids, follow_ups, now)

        async def work(session: Session) -> None:
            if not await session.do(CANCEL, run_id, now, "cancelled before it began"):
                raise Conflict(f"{show('run', run_id)} is not queued any more")
            if events:
                await storing(session, events, now)

        await self._parts.database.write(work)
        return events

    async def ask_to_cancel(self, run_id: RunId, actor: str, now: Moment) -> None:
        author = self._parts.instance

        async def work(session: Session) -> None:
            if not await session.ask(HOLD_AT_WORK, run_id):
                raise Conflict(f"{show('run', run_id)} is not at work any more")
            await session.do(ASK_TO_CANCEL, run_id, actor, now)
            await session.ask(sql.HINT, str(author))

        await self._parts.database.write(work)
        self._parts.beat_soon()  # it may be ours, and not begun yet

    def holds(self, run: TakenRun) -> bool:
        return self._parts.is_trusted and self._parts.held.get(run.run_id) == run

    async def requeue(self, run_id: RunId, now: Moment) -> Run:
        run = await find_run(self._parts, run_id)
        workload = (await self.workloads_by_id([run.workload_id])).get(run.workload_id)
        queue = workload.queue if workload else Queue.LATEST

        async def work(session: Session) -> None:
            lane = (await hold_lanes(session, [run.workload_id]))[run.workload_id]
            newer = lane.newer_than(run.event_id) if queue is Queue.LATEST else None
            if newer is not None:
                raise Conflict(f"a newer run, {show('run', newer)}, is queued already")
            if not await session.do(REQUEUE, run_id, now):
                raise Conflict(f"{show('run', run_id)} did not fail: there is nothing to retry")
            await session.do(FORGET_CANCEL, run_id)

        await self._parts.database.write(work)
        self._parts.queue.note(now, now)
        if run.workload_id in self._parts.barred.ids:
            self._parts.call_others()
        return await find_run(self._parts, run_id)

    async def workloads_by_id(self, ids: Sequence[WorkloadId]) -> dict[WorkloadId, Workload]:
        found = await self._parts.database.read(
            lambda session: rows_where(session, "workload", "r.id = ANY($1::bigint[])", list(ids))
        )
        return {f.row.id: f.row for f in found if isinstance(f.row, Workload)}

    async def events_by_id(self, ids: Sequence[EventId]) -> dict[EventId, Event]:
        rows = await self._parts.database.ask(EVENTS_BY_ID, list(ids))
        return {event.id: event for event in map(event_of, rows)}

    async def trigger_labels(self, ids: Collection[TriggerId]) -> dict[TriggerId, tuple[str, str]]:
        rows = await self._parts.database.ask(LABELS, sorted(ids))
        return {TriggerId(number): (name, kind) for number, name, kind in rows}

    async def changes_of(self, ids: Sequence[RunId]) -> dict[RunId, int]:
        return dict(await self._parts.database.ask(sql.CHANGES_OF, list(ids)))

    async def append_log(self, chunks: Sequence[LogPart], now: Moment) -> None:
        async def work(session: Session) -> None:
            for run_id, seq, lines, dropped in chunks:
                plain = "\n".join(lines).encode(errors="replace")
                packed = zstd.compress(plain)
                await session.do(PUT_LOG, run_id, seq, now, len(lines), len(plain), packed)
                if dropped:
                    await session.do(DROP_LOG, run_id, list(dropped))

        await self._parts.database.write(work)


class _Turn:
    """One turn: what it stores, and inside its transaction what it takes."""

    def __init__(
        self,
        parts: Parts,
        finished: Sequence[Finished],
        events: Sequence[Event],
        places: Places,
        now: Moment,
    ) -> None:
        self._parts, self._finished, self._events = parts, finished, events
        self._places, self._now = places, now
        self._left_some = False  # ready runs that were not taken
        self._next_ready: Moment | None = None

    async def work(self, session: Session) -> Sequence[TakenRun]:
        if self._finished:
            await self._end(session)
        if self._events:
            await storing(session, self._events, self._now)
        if not (self._places.free or self._places.ahead):
            return []
        taken = await self._unheard_of(session) if self._parts.unsure else []
        return taken + await self._take(session)

    def note_stored(self) -> None:
        parts = self._parts
        for end in self._finished:
            parts.held.pop(end.run.run_id, None)
        if self._places.free or self._places.ahead:
            parts.unsure = False
            parts.queue.may_have_ready = self._left_some
            parts.queue.next_ready_at = self._next_ready
        elif self._finished:  # their workloads are free for the next one
            parts.queue.note(self._now, self._now)
            for end in self._finished:
                if end.state is RunState.QUEUED:
                    parts.queue.note(end.ready_at, self._now)

    async def _end(self, session: Session) -> None:
        again = sorted(
            {end.run.workload_id for end in self._finished if end.state is RunState.QUEUED}
        )
        lanes = await hold_lanes(session, again)
        rows = []
        for end in sorted(self._finished, key=lambda end: end.run.run_id):
            run, state, by = end.run, end.state, None
            if state is RunState.QUEUED:
                lane = lanes[run.workload_id]
                by = lane.newer_than(run.event_id) if end.queue == Queue.LATEST else None
                if by is None:
                    lane.add(run.event_id, run.run_id)
                else:
                    state = RunState.SUPERSEDED
            ended = end.ended_at if state.is_over else None
            moments = (end.started_at, ended, end.error, end.ready_at)
            given_back = 0 if end.counted else 1
            rows.append((run.run_id, run.attempt, int(state), *moments, by, given_back))
        owner = self._parts.instance
        if await session.do(sql.FINISH, text(rows), owner) != len(rows):
            raise Stale
        await session.do(sql.ATTEMPTS, text(self._attempts()), owner)

    def _attempts(self) -> list[tuple[object, ...]]:
        return sorted(
            (e.run.run_id, e.run.attempt, e.started_at, e.ended_at, e.outcome, e.error)
            for e in self._finished
            if e.counted
        )

    async def _unheard_of(self, session: Session) -> list[TakenRun]:
        """Return runs under our lease of which no answer told us."""
        rows = await session.ask(UNDER_OUR_LEASE, self._parts.instance)
        return [
            run
            for run in (TakenRun(*row) for row in rows)
            if self._parts.held.get(run.run_id, run).attempt != run.attempt
            or run.run_id not in self._parts.held
        ]

    async def _take(self, session: Session) -> list[TakenRun]:
        barred = await self._parts.barred_at(session, await self._parts.alive(session))
        free, ahead = self._places
        ready = await session.ask(sql.READY, self._now, free + ahead + 1, sorted(barred))
        chosen: dict[WorkloadId, RunId] = {}
        for number, workload_id, repeatable in ready:
            if len(chosen) >= free + ahead or (len(chosen) >= free and not repeatable):
                break
            chosen.setdefault(WorkloadId(workload_id), RunId(number))
        held = await session.ask(sql.HOLD_FREE_LANES, sorted(chosen))
        wanted = [chosen[workload_id] for (workload_id,) in held]
        rows = await session.ask(sql.TAKE, wanted, self._now, self._parts.instance)
        busy = {row[3] for row in rows}
        self._left_some = len(ready) > free + ahead or any(row[1] not in busy for row in ready)
        self._next_ready = await session.one(sql.NEXT_READY, self._now)
        taken = [TakenRun(*row) for row in rows]
        return sorted(taken, key=lambda run: (run.event_id, run.run_id))
