"""The hot path: due rows, their events, results and runs. Whole batches in each statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

import apsw

from tinyforge.clock import Moment
from tinyforge.errors import Conflict
from tinyforge.model import (
    Event,
    EventDraft,
    EventId,
    Result,
    RunId,
    TriggerId,
)
from tinyforge.store.drafts import REASONS, alone, drafted, only, results_of
from tinyforge.store.port import (
    Advance,
    Due,
    FanOutBatch,
    FanOutDone,
    Known,
    Route,
    Routes,
    Skip,
    TakenRun,
    Unmatched,
    Unplanned,
    WindowsRepeated,
)
from tinyforge.store.rows import event_of
from tinyforge.store.sqlite import statements as sql
from tinyforge.store.sqlite.lanes import BEGINS, WAITS, Queued
from tinyforge.store.sqlite.parts import GENERATION, Parts, ask, snapshot, text

HIGH_WATER = "SELECT coalesce((SELECT value FROM facts WHERE name = 'high_water'), 0)"
EVENT_COLUMNS = (
    "id, trigger_id, accepted_at, epoch, window_at, key, folded, folded_from, last_at, facts,"
    " actor, ruleless, revision_id, fanned_at, tries"
)
LEFT = f"""
SELECT {EVENT_COLUMNS} FROM events
WHERE fanned_at IS NULL AND id < ?1 ORDER BY id LIMIT ?2"""  # noqa: S608 - our own columns
OPEN = f"""
SELECT {EVENT_COLUMNS} FROM events
WHERE fanned_at IS NULL AND id > ?1 AND accepted_at < ?2 ORDER BY id LIMIT ?3"""  # noqa: S608 - our own columns
STORED = "SELECT id FROM events WHERE id IN (SELECT value FROM json_each(?))"
STILL_OPEN = """
SELECT id FROM events WHERE id IN (SELECT value FROM json_each(?)) AND fanned_at IS NULL"""
TRY_ALONE = "UPDATE events SET tries = tries + ?2 WHERE id = ?1 AND fanned_at IS NULL"


class AlreadyFanned(Conflict):
    """Some events of a batch have their results."""


class Rows(NamedTuple):
    """Runs of one fan-out, by the statement that stores them."""

    queued: list[tuple[int, ...]]
    born: list[tuple[int, ...]]
    superseded: list[tuple[int, ...]]
    supersedes: list[tuple[int, int]]
    refused: list[Unmatched]
    matches: list[tuple[int, int | None, str]]
    results: dict[EventId, list[Result]]


class HotPath:
    _parts: Parts

    # --- reads in the loop's thread: microseconds each

    def known(self) -> Known | None:
        return None  # the file is near

    def known_generation(self) -> int | None:
        return self._parts.known_generation

    async def next_due_at(self) -> Moment | None:
        found = self._parts.look(sql.NEXT_DUE)
        return found[0][0] if found else None

    async def due(self, after: tuple[Moment, int], now: Moment, limit: int) -> list[Due]:
        rows = self._parts.look(sql.DUE, (*after, now, limit))
        return list(map(Due._make, rows))

    async def specs(self, ids: Sequence[int]) -> dict[int, str]:
        return dict(self._parts.look(sql.SPECS, (text(ids),)))

    async def unplanned(self, limit: int) -> list[Unplanned]:
        rows = self._parts.look(sql.UNPLANNED, (limit,))
        return list(map(Unplanned._make, rows))

    async def routes(self, trigger_ids: Sequence[TriggerId]) -> Routes:
        with snapshot(self._parts.near) as near:
            generation = ask(near, GENERATION)[0][0]
            try:
                rows = ask(near, sql.ROUTES, (text(trigger_ids),))
            except UnicodeDecodeError:
                rows = [
                    _readable(row) for row in ask(near, sql.ROUTES_IN_BYTES, (text(trigger_ids),))
                ]
        return Routes(generation, list(map(Route._make, rows)))

    async def generation(self) -> int:
        return self._parts.generation()

    async def high_water(self) -> Moment:
        return int(self._parts.look(HIGH_WATER)[0][0])

    # --- writes

    async def mark(self, now: Moment) -> None:
        await self._parts.writer.submit(lambda db: _mark(db, now))

    async def lower_mark(self, now: Moment) -> None:
        def work(db: apsw.Connection) -> None:
            by = ask(db, HIGH_WATER)[0][0] - now
            db.execute(sql.READY_SOONER, (now, by))
            db.execute("UPDATE facts SET value = ? WHERE name = 'high_water'", (now,))
            self._parts.outdate_lanes()

        await self._parts.writer.submit(work)
        await self._parts.rebuild_lanes(now)

    async def advance(
        self,
        advances: Sequence[Advance],
        skips: Sequence[Skip],
        fan_out: FanOutBatch | None,
        now: Moment,
    ) -> FanOutDone | None:
        steps = text(sorted(advances))
        skipped = text(sorted(skips)) if skips else None

        def step(db: apsw.Connection, fanned_at: Moment | None) -> None:
            db.execute(sql.ADVANCE, (steps, now))
            if db.changes() != len(advances):
                raise Conflict("a schedule moved since it was read")
            try:
                db.execute(sql.EVENTS, (steps, now, fanned_at))
                if skipped is not None:
                    db.execute(sql.SPANS, (skipped, now))
            except apsw.ConstraintError as problem:
                raise _repeated(db, steps, skipped) from problem
            _mark(db, now)

        if fan_out is None:
            await self._parts.writer.submit(lambda db: step(db, None))
            return None
        return await self._fan_out(fan_out, now, lambda db: step(db, now))

    async def accept(self, drafts: Sequence[EventDraft], now: Moment) -> list[Event | None]:
        events = drafted(self._parts.ids, drafts, now)
        stored = await self._parts.writer.submit(storing(events, now))
        return [event if event.id in stored else None for event in events]

    async def fan_out(self, batch: FanOutBatch, now: Moment) -> FanOutDone:
        while True:
            try:
                return await self._fan_out(batch, now, _fanned(batch.events, now))
            except AlreadyFanned:
                batch = only(batch, self._still_open(batch.events))
                if not batch.events:
                    return FanOutDone(runs=0, refused=(), results=(), taken=())

    async def left_events(self, limit: int) -> list[Event]:
        return self._open_events(LEFT, (self._parts.instance, limit))

    async def open_events(self, limit: int, before: Moment) -> list[Event]:
        return self._open_events(OPEN, (self._parts.instance, before, limit))

    def _open_events(self, query: str, values: tuple[int, ...]) -> list[Event]:
        return [event_of(row) for row in self._parts.look(query, values)]

    async def try_alone(self, event_id: EventId, *, counted: bool) -> bool:
        def work(db: apsw.Connection) -> bool:
            db.execute(TRY_ALONE, (event_id, int(counted)))
            return bool(db.changes())

        return await self._parts.writer.submit(work)

    def _still_open(self, events: Sequence[EventId]) -> frozenset[EventId]:
        rows = self._parts.look(STILL_OPEN, (text(events),))
        return frozenset(EventId(row[0]) for row in rows)

    async def _fan_out(
        self, batch: FanOutBatch, now: Moment, first: Callable[[apsw.Connection], None]
    ) -> FanOutDone:
        kept: list[tuple[Rows, list[TakenRun]]] = []

        def prepare(at: Moment) -> Callable[[apsw.Connection], None]:
            rows, taken = self._placed(batch, at)
            kept[:] = [(rows, taken)]
            return _storing_runs(batch, rows, first, at, self._parts.instance)

        await self._parts.ordered(prepare, now)
        rows, taken = kept[0]
        runs = len(rows.queued) + len(rows.born) + len(rows.superseded)
        return FanOutDone(
            runs=runs,
            refused=rows.refused,
            results=alone(rows.results),
            taken=taken,
            by_event=rows.results,
        )

    def _placed(self, batch: FanOutBatch, now: Moment) -> tuple[Rows, list[TakenRun]]:
        """Give each match its place in the live queues, and its row."""
        rows = Rows([], [], [], [], [], [], {})
        taken: list[TakenRun] = []
        place = self._parts.lanes.place
        ids = self._parts.ids.many(len(batch.matched), now) if batch.matched else []
        left = batch.may_begin
        for number, match in zip(ids, batch.matched, strict=True):
            event, binding, workload, queue, repeatable, ready, reason, change = match
            run = RunId(number)
            entry = Queued(event, run, binding, 0, ready, repeatable)
            placed = place(workload, queue, entry, now, may_begin=repeatable and left > 0)
            row = (number, event, binding, workload, ready)
            if reason and placed.refusal is None:
                rows.matches.append((number, change, reason))
            if placed is WAITS:
                rows.queued.append(row)
            elif placed is BEGINS:
                left -= 1
                rows.born.append(row)
                taken.append(TakenRun(run, event, binding, workload, 1, repeatable))
            elif placed.refusal is not None:
                reason = REASONS[placed.refusal]
                rows.refused.append(Unmatched(event, binding, placed.refusal, reason))
            elif placed.superseded_by is not None:
                rows.superseded.append((*row, placed.superseded_by))
            elif placed.supersedes is not None:
                rows.queued.append(row)
                rows.supersedes.append((placed.supersedes, number))
        if batch.told or len(batch.events) == 1:
            rows.results.update(results_of(batch, ids, rows.refused))
        return rows, taken


def _storing_runs(
    batch: FanOutBatch,
    rows: Rows,
    first: Callable[[apsw.Connection], None],
    now: Moment,
    owner: int,
) -> Callable[[apsw.Connection], None]:
    """Turn rows into JSON here, so that the writer only executes."""
    queued, born, superseded = (text(part) if part else None for part in rows[:3])
    supersedes = text(sorted(rows.supersedes)) if rows.supersedes else None
    refused = sorted(chain(batch.unmatched, rows.refused), key=itemgetter(0, 1))
    results = text(refused) if refused else None
    matches = text(rows.matches) if rows.matches else None

    def work(db: apsw.Connection) -> None:
        first(db)
        if queued is not None:
            db.execute(sql.QUEUED_RUNS, (queued, now))
        if born is not None:
            db.execute(sql.BORN_RUNNING, (born, now, owner))
        if superseded is not None:
            db.execute(sql.BORN_SUPERSEDED, (superseded, now))
        if supersedes is not None:
            db.execute(sql.SUPERSEDE, (supersedes, now))
        if results is not None:
            db.execute(sql.RESULTS, (results,))
        if matches is not None:
            db.execute(sql.MATCHES, (matches,))
        if ask(db, GENERATION)[0][0] != batch.generation:
            raise Conflict("a binding changed since it was read")

    return work


def _fanned(events: Sequence[EventId], now: Moment) -> Callable[[apsw.Connection], None]:
    ids = text(events)

    def work(db: apsw.Connection) -> None:
        db.execute(sql.FANNED, (ids, now))
        if db.changes() != len(events):
            raise AlreadyFanned

    return work


def storing(
    events: Sequence[Event], now: Moment
) -> Callable[[apsw.Connection], frozenset[EventId]]:
    """Return the work that stores drafted events, and says which were new."""
    ids = [event.id for event in events]
    rows = text(
        [
            (e.id, e.trigger_id, e.key, text(e.facts) if e.facts else None, e.actor, e.ruleless)
            for e in events
        ]
    )

    def work(db: apsw.Connection) -> frozenset[EventId]:
        db.execute(sql.DRAFTED, (rows, now))
        if db.changes() == len(ids):
            return frozenset(ids)
        return frozenset(EventId(row[0]) for row in ask(db, STORED, (text(ids),)))

    return work


def _readable(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(cell.decode(errors="replace") if isinstance(cell, bytes) else cell for cell in row)


def _repeated(db: apsw.Connection, steps: str, skipped: str | None) -> WindowsRepeated:
    found = ask(db, sql.REPEATED, (steps,)) + ask(db, sql.REPEATED_SPANS, (skipped or "[]",))
    return WindowsRepeated(sorted({TriggerId(row[0]) for row in found}))


def _mark(db: apsw.Connection, now: Moment) -> None:
    db.execute(sql.MARK, (now,))
