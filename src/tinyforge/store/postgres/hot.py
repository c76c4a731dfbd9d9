"""The hot path: due rows, their events, results and runs, in whole batches for each statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple, TypeAlias

import asyncpg

from tinyforge.clock import SECOND, Moment
from tinyforge.errors import Conflict, StoreUnavailable
from tinyforge.model import (
    Event,
    EventDraft,
    EventId,
    RunId,
    TriggerId,
    WorkloadId,
)
from tinyforge.store.drafts import alone, drafted, only, results_of
from tinyforge.store.port import (
    Advance,
    Due,
    FanOutBatch,
    FanOutDone,
    Known,
    Route,
    Routes,
    Skip,
    Unplanned,
    WindowsRepeated,
)
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.connection import Session, as_json, text
from tinyforge.store.postgres.lanes import Births, Lane, Placing, place_all
from tinyforge.store.postgres.parts import LEASE_OVER, Parts
from tinyforge.store.rows import event_of

EVENT_COLUMNS = (
    "id, trigger_id, accepted_at, epoch, window_at, key, folded, folded_from, last_at, facts,"
    " actor, ruleless, revision_id, fanned_at, tries"
)
LEFT = f"""
SELECT {EVENT_COLUMNS} FROM events e WHERE {sql.LEFT} ORDER BY id LIMIT $2"""  # noqa: S608 - our own columns
OPEN = f"""
SELECT {EVENT_COLUMNS} FROM events
WHERE fanned_at IS NULL AND id > $2 AND (id >> 12 & 511) = $1 AND accepted_at < $3
ORDER BY id LIMIT $4"""  # noqa: S608 - our own columns
HOLD_LEFT = "SELECT id FROM events WHERE id = $1 AND fanned_at IS NULL FOR UPDATE"
# A new statement, for another replica may have taken it while the row was waited for.
TRY_ALONE = f"""
UPDATE events SET tried_by = $1,
  tries = tries + CASE WHEN tried_by IS DISTINCT FROM $1 THEN $3::int ELSE 0 END
WHERE id = $2 AND NOT EXISTS (SELECT 1 FROM servers s WHERE {sql.TRIED})"""  # noqa: S608 - our own columns
MARK_EVERY = SECOND
HELP_EVERY = SECOND // 4

Columns: TypeAlias = list[tuple[object, ...]]
First: TypeAlias = Callable[[Session], Awaitable[None]]


class AlreadyFanned(Conflict):
    """Some events of a batch have their results."""


class _Done(NamedTuple):
    placing: Placing
    numbers: Sequence[int]


class HotPath:
    _parts: Parts

    # --- reads

    def known(self) -> Known | None:
        return self._parts.known if self._parts.is_trusted else None

    def known_generation(self) -> int | None:
        known = self.known()
        return None if known is None else known.generation

    async def next_due_at(self) -> Moment | None:
        share = self._parts.share
        rows = await self._parts.database.ask(sql.NEXT_DUE, share.of, share.place, share.helps_from)
        due_at: Moment | None = rows[0][0]
        return due_at

    async def due(self, after: tuple[Moment, int], now: Moment, limit: int) -> list[Due]:
        share, ask = self._parts.share, self._parts.database.ask
        rows = await ask(sql.DUE, *after, now, limit, share.of, share.place)
        due = list(map(Due._make, rows))
        if due and due[0].due_at <= now - sql.LEFT_TO_ITS_REPLICA:
            share.helps_from = now + sql.LEFT_TO_ITS_REPLICA
        if len(due) < limit and share.may_help(now):
            share.helps_from = now + HELP_EVERY
            late = await ask(sql.LATE, now, limit - len(due), share.of, share.place)
            due = sorted(chain(due, map(Due._make, late)), key=attrgetter("due_at", "trigger_id"))
        return due

    async def specs(self, ids: Sequence[int]) -> dict[int, str]:
        return dict(await self._parts.database.ask(sql.SPECS, list(ids)))

    async def unplanned(self, limit: int) -> list[Unplanned]:
        return list(map(Unplanned._make, await self._parts.database.ask(sql.UNPLANNED, limit)))

    async def routes(self, trigger_ids: Sequence[TriggerId]) -> Routes:
        async def query(session: Session) -> Routes:
            generation = await session.one(sql.GENERATION)
            rows = await session.ask(sql.ROUTES, list(trigger_ids))
            return Routes(generation, list(map(Route._make, rows)))

        return await self._parts.database.read(query)

    async def generation(self) -> int:
        return int((await self._parts.database.ask(sql.GENERATION))[0][0])

    async def high_water(self) -> Moment:
        return int((await self._parts.database.ask(sql.HIGH_WATER))[0][0])

    # --- writes

    async def mark(self, now: Moment) -> None:
        await self._parts.database.do_alone(sql.MARK, now)

    async def lower_mark(self, now: Moment) -> None:
        async def work(session: Session) -> Moment | None:
            by = await session.one(sql.HIGH_WATER) - now
            await session.do(sql.READY_SOONER, now, by)
            await session.do(sql.LOWER_MARK, now)
            next_ready: Moment | None = await session.one(sql.NEXT_READY, now)
            return next_ready

        self._parts.queue.next_ready_at = await self._parts.database.write(work)
        self._parts.forget_known()
        self._parts.marked = now

    async def advance(
        self,
        advances: Sequence[Advance],
        skips: Sequence[Skip],
        fan_out: FanOutBatch | None,
        now: Moment,
    ) -> FanOutDone | None:
        if not self._parts.is_trusted:
            raise StoreUnavailable(LEASE_OVER)
        steps = columns(sorted(advances, key=itemgetter(0)))
        spans = text(sorted(skips)) if skips else None

        async def step(session: Session, fanned_at: Moment | None) -> None:
            if await session.one(sql.ADVANCE, now, fanned_at, *steps) != len(advances):
                raise Conflict("a schedule moved since it was read")
            if spans is not None:
                await session.do(sql.SPANS, spans, now)

        try:
            if fan_out is None:
                await self._parts.database.write(lambda session: step(session, None))
                await self._keep_mark(now)
                return None
            return await self._fan_out(fan_out, now, lambda session: step(session, now))
        except asyncpg.UniqueViolationError as problem:
            raise await self._repeated(steps, spans) from problem

    async def accept(self, drafts: Sequence[EventDraft], now: Moment) -> list[Event | None]:
        events = drafted(self._parts.ids, drafts, now)
        stored = await self._parts.database.write(lambda session: storing(session, events, now))
        return [event if event.id in stored else None for event in events]

    async def fan_out(self, batch: FanOutBatch, now: Moment) -> FanOutDone:
        while True:
            try:
                return await self._fan_out(batch, now, _fanned(batch.events, now))
            except AlreadyFanned:
                batch = only(batch, await self._still_open(batch.events))
                if not batch.events:
                    return FanOutDone(runs=0, refused=(), results=(), taken=())

    async def left_events(self, limit: int) -> list[Event]:
        parts = self._parts
        rows = await parts.database.ask(LEFT, parts.instance, limit, *parts.trigger_kinds)
        return list(map(event_of, rows))

    async def open_events(self, limit: int, before: Moment) -> list[Event]:
        parts = self._parts
        rows = await parts.database.ask(OPEN, parts.replica, parts.instance, before, limit)
        return list(map(event_of, rows))

    async def try_alone(self, event_id: EventId, *, counted: bool) -> bool:
        parts = self._parts

        async def work(session: Session) -> bool:
            await parts.alive(session)
            if not await session.ask(HOLD_LEFT, event_id):
                return False
            return bool(await session.do(TRY_ALONE, parts.instance, event_id, int(counted)))

        return await parts.database.write(work)

    async def _still_open(self, events: Sequence[EventId]) -> frozenset[EventId]:
        rows = await self._parts.database.ask(
            "SELECT id FROM events WHERE id = ANY($1::bigint[]) AND fanned_at IS NULL", list(events)
        )
        return frozenset(EventId(row[0]) for row in rows)

    async def _fan_out(self, batch: FanOutBatch, now: Moment, first: First) -> FanOutDone:
        parts, instance = self._parts, self._parts.instance
        may_begin = 0 if parts.queue.has_ready(now) else batch.may_begin
        try:
            done = await parts.database.write(
                lambda session: _Storing(session, parts, now).fan_out(batch, first, may_begin)
            )
        except StoreUnavailable:
            parts.unsure = True
            raise
        placing = done.placing
        taken = parts.begin(placing.taken, instance)
        for row in placing.queued:
            parts.queue.note(int(str(row[4])), now)
        if not parts.barred.ids.isdisjoint(row[3] for row in placing.queued):
            parts.call_others()
        await self._keep_mark(now)
        wanted = batch.told or len(batch.events) == 1
        results = results_of(batch, done.numbers, placing.refused) if wanted else {}
        return FanOutDone(
            runs=placing.count,
            refused=placing.refused,
            results=alone(results),
            taken=taken,
            by_event=results,
        )

    async def _keep_mark(self, now: Moment) -> None:
        """Raise the mark, rarely and by itself: its row is one for all replicas."""
        parts = self._parts
        if now >= parts.marked + MARK_EVERY:
            await self.mark(now)
            parts.marked = now

    async def _repeated(self, steps: Columns, spans: str | None) -> Conflict:
        ask = self._parts.database.ask
        found = await ask(sql.REPEATED, *steps) + await ask(sql.REPEATED_SPANS, spans or "[]")
        if not found:
            return Conflict("another transaction decided the same")
        return WindowsRepeated(sorted({TriggerId(row[0]) for row in found}))


class _Storing:
    """One fan-out inside its transaction."""

    def __init__(self, session: Session, parts: Parts, now: Moment) -> None:
        self._session, self._parts, self._now = session, parts, now

    async def fan_out(self, batch: FanOutBatch, first: First, may_begin: int) -> _Done:
        wanted = sorted({match.workload_id for match in batch.matched})
        await first(self._session)
        lanes = await hold_lanes(self._session, wanted)
        if await self._session.one(sql.HOLD_GENERATION) != batch.generation:
            raise Conflict("a binding changed since it was read")
        numbers = self._parts.ids.many(len(batch.matched), self._now)
        barred = await self._parts.barred_at(self._session, batch.generation) if may_begin else ()
        placing = place_all(batch, lanes, numbers, self._now, Births(may_begin, barred))
        if placing.born:
            await self._parts.alive(self._session)
        await self._store(placing, batch)
        return _Done(placing, numbers)

    async def _store(self, placing: Placing, batch: FanOutBatch) -> None:
        do, now = self._session.do, self._now
        if placing.queued:
            await do(sql.QUEUED_RUNS, now, *columns(placing.queued))
        if placing.born:
            await do(sql.BORN_RUNNING, now, self._parts.instance, *columns(placing.born))
        if placing.born_superseded:
            await do(sql.BORN_SUPERSEDED, now, *columns(placing.born_superseded))
        if placing.supersedes:
            await do(sql.SUPERSEDE, now, *columns(sorted(placing.supersedes)))
        if placing.matches:
            await do(sql.MATCHES, *columns(placing.matches))
        refused = sorted(chain(batch.unmatched, placing.refused), key=itemgetter(0, 1))
        if refused:
            await do(sql.RESULTS, text(refused))


def columns(rows: Sequence[Sequence[object]]) -> Columns:
    """Turn rows into an array for each column."""
    return list(zip(*rows, strict=True))


async def hold_lanes(session: Session, wanted: Sequence[WorkloadId]) -> dict[WorkloadId, Lane]:
    """Lock the queues of workloads, and read them as they are from then on."""
    if not wanted:
        return {}
    lanes = {number: Lane() for number in wanted}
    for number, running, queued, event_id, run_id in await session.ask(sql.LANES, wanted):
        newest = None if event_id is None else (EventId(event_id), RunId(run_id))
        lanes[WorkloadId(number)] = Lane(running, queued, newest)
    return lanes


def _fanned(events: Sequence[EventId], now: Moment) -> First:
    async def first(session: Session) -> None:
        held = await session.ask(sql.HOLD_EVENTS, list(events))
        if len(held) != len(events):
            raise AlreadyFanned
        await session.do(sql.FANNED, list(events), now)

    return first


async def storing(session: Session, events: Sequence[Event], now: Moment) -> frozenset[EventId]:
    """Store drafted events, and return which were new."""
    rows = [
        (e.id, e.trigger_id, e.key, as_json(e.facts) if e.facts else None, e.actor, e.ruleless)
        for e in events
    ]
    stored = await session.ask(sql.DRAFTED, text(rows), now)
    return frozenset(EventId(row[0]) for row in stored)
