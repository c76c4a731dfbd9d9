"""From due rows to what is stored of them: decided one by one, kept in batches."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from tinyforge.clock import Micros, Moment
from tinyforge.engine.bound import Bound, Bounds
from tinyforge.engine.fanout import FanOut, Judged
from tinyforge.engine.pacer import Pacer
from tinyforge.engine.recent import Fresh
from tinyforge.model import Event, EventId, TriggerId
from tinyforge.observe.events import FiredWindow, WindowsSkipped
from tinyforge.schedule.decide import decide
from tinyforge.schedule.decision import Decision, Fire, State
from tinyforge.schedule.quick import Alone, Quick, quick
from tinyforge.schedule.spec import Spec, load_spec
from tinyforge.store.port import (
    Advance,
    Config,
    Due,
    Events,
    FanOutBatch,
    Matched,
    Schedules,
    Skip,
)

SLICE = 200  # what was decided before is being stored meanwhile, under locks that others wait for
READ_TOGETHER = 5_000  # sorted ids share pages
MOST_SPECS = 10_000
SCHEDULE = "schedule"


class DueStore(Schedules, Events, Config, Protocol):
    """The roles that deciding needs."""


@dataclass
class Steps:
    """What one transaction stores of some schedules."""

    advances: list[Advance] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    fired: list[FiredWindow] = field(default_factory=list)
    skipped: list[WindowsSkipped] = field(default_factory=list)


@dataclass
class Batch:
    """Due rows, decided. *plain* ones have no rule to match: their runs go along."""

    now: Moment
    generation: int | None = None
    plain: Steps = field(default_factory=Steps)
    judged: Judged = field(default_factory=lambda: Judged([], []))
    ruled: Steps = field(default_factory=Steps)
    events: list[Event] = field(default_factory=list)  # of the ruled ones
    unfit: list[tuple[TriggerId, str]] = field(default_factory=list)  # and why

    def note_generation(self, generation: int) -> None:
        """Keep the oldest that any slice was decided on: a newer one refuses the batch."""
        known = self.generation
        self.generation = generation if known is None else min(known, generation)

    def fresh(self) -> Iterator[Fresh]:
        """Return the fires of the plain ones, for the runs that they queue."""
        fires = (advance for advance in self.plain.advances if advance.fired is not None)
        for fired, advance in zip(self.plain.fired, fires, strict=True):
            yield Fresh(_event_of(advance, fired.event_id, self.now), fired.trigger, SCHEDULE)

    def fan_out(self, may_begin: int) -> FanOutBatch:
        return FanOutBatch(
            generation=self.generation or 0,
            events=[fired.event_id for fired in self.plain.fired],
            matched=self.judged.matched,
            unmatched=self.judged.unmatched,
            may_begin=may_begin,
        )


class Compiled(NamedTuple):
    spec: Spec
    quick: Quick


@dataclass
class Decider:
    store: DueStore
    fanout: FanOut
    bounds: Bounds
    pacer: Pacer
    tick_interval: Micros
    _specs: OrderedDict[int, Compiled] = field(default_factory=OrderedDict)

    async def decide(self, rows: Sequence[Due], now: Moment) -> Batch:
        """Decide *rows* in slices, giving the loop back in between."""
        batch = Batch(now)
        for start in range(0, len(rows), READ_TOGETHER):
            part = rows[start : start + READ_TOGETHER]
            specs = await self._known_specs(part)
            bounds, generation = await self.bounds.of([row.trigger_id for row in part])
            batch.note_generation(generation)
            for first in range(0, len(part), SLICE):
                self._decide_slice(part[first : first + SLICE], specs, bounds, batch)
                await asyncio.sleep(0)
        return batch

    def _decide_slice(
        self,
        rows: Sequence[Due],
        specs: Mapping[int, Compiled],
        bounds: Mapping[TriggerId, Bound],
        batch: Batch,
    ) -> None:
        now = batch.now
        for row, number in zip(rows, self.store.new_ids(len(rows), now), strict=True):
            bound, spec = bounds[row.trigger_id], specs.get(row.spec_id or 0)
            if spec is None or not bound.may_fire:
                batch.unfit.append((row.trigger_id, bound.trigger))
                continue
            try:
                alone = None if bound.plain is None else spec.quick(row, now)
                if alone is None:
                    self._take(row, spec.spec, EventId(number), bound, batch)
                else:
                    self._take_alone(row, alone, EventId(number), bound, batch)
            except Exception as problem:  # noqa: BLE001 - a row may hold anything; its neighbours go on
                reason = f"{bound.trigger} cannot be decided: {problem!r}"
                batch.unfit.append((row.trigger_id, reason))

    def _take_alone(
        self, row: Due, alone: Alone, event_id: EventId, bound: Bound, batch: Batch
    ) -> None:
        """Take the usual fire: nothing folded, nothing skipped, nothing to match."""
        trigger_id, due = row.trigger_id, row.due_at
        fired, base, coming, overdue = alone
        moved = (trigger_id, due, fired, base, coming, event_id, row.epoch, due, 0, None)
        batch.plain.advances.append(Advance._make((*moved, row.revision_id)))
        late_by = batch.now - due
        batch.plain.fired.append(
            FiredWindow(
                trigger_id=trigger_id,
                trigger=bound.trigger,
                event_id=event_id,
                window=due,
                late_by=late_by,
                overdue=overdue,
            )
        )
        self._place_all(event_id, late_by, bound, batch)

    def _place_all(self, event_id: EventId, late_by: Micros, bound: Bound, batch: Batch) -> None:
        late, ready_at = late_by > self.tick_interval, batch.now
        for one in bound.plain or ():
            if late:
                ready_at = self.pacer.ready_at(batch.now)
            matched = (event_id, one.binding_id, one.workload_id, one.queue, one.repeatable)
            batch.judged.matched.append(Matched(*matched, ready_at))
        for route in bound.routes:
            if late:
                ready_at = self.pacer.ready_at(batch.now)
            self.fanout.place(event_id, route, ready_at, batch.judged)

    def _take(self, row: Due, spec: Spec, event_id: EventId, bound: Bound, batch: Batch) -> None:
        ruled = bound.is_ruled
        steps = batch.ruled if ruled else batch.plain
        decision = decide(spec, _state_of(row), batch.now, row.due_at)
        fire = decision.fire
        advance = _advance(row, decision, event_id)
        steps.advances.append(advance)
        if decision.skipped is not None:
            self._skip(row, decision, bound.trigger, steps)
        if fire is None:
            return
        steps.fired.append(_fired(row, fire, event_id, bound.trigger))
        if ruled:
            batch.events.append(_event_of(advance, event_id, batch.now))
            return
        self._place_all(event_id, fire.late_by, bound, batch)

    def _skip(self, row: Due, decision: Decision, name: str, steps: Steps) -> None:
        skipped = decision.skipped
        if skipped is None:
            return
        span = skipped.span
        reach = (row.trigger_id, decision.epoch, span.oldest, span.newest)
        steps.skips.append(Skip(*reach, skipped.reason, span.count, row.revision_id))
        steps.skipped.append(
            WindowsSkipped(
                trigger_id=row.trigger_id,
                trigger=name,
                reason=skipped.reason,
                oldest=span.oldest,
                newest=span.newest,
                count=span.count,
            )
        )

    async def _known_specs(self, rows: Sequence[Due]) -> dict[int, Compiled]:
        """Return the compiled specs of *rows*; one that cannot be read is left out."""
        wanted = {row.spec_id for row in rows if row.spec_id is not None}
        found = {number: spec for number in wanted if (spec := self._specs.get(number))}
        missing = sorted(number for number in wanted if number not in found)
        texts = await self.store.specs(missing) if missing else {}
        for number, text in texts.items():
            try:
                loaded = load_spec(text, self.tick_interval)
            except (ValueError, msgspec.MsgspecError):
                continue
            found[number] = self._specs[number] = Compiled(loaded, quick(loaded))
        while len(self._specs) > MOST_SPECS:
            self._specs.popitem(last=False)
        return found


def _state_of(row: Due) -> State:
    return State(
        epoch=row.epoch,
        since=row.since,
        base=row.base,
        opening=row.opening,
        last_fired_at=row.last_fired_at,
        decided_until=row.decided_until,
    )


def _advance(row: Due, decision: Decision, event_id: EventId) -> Advance:
    state, fire = decision.state, decision.fire
    moved = (row.trigger_id, row.due_at, state.last_fired_at, state.base, decision.due_at)
    if fire is None:
        return Advance(*moved, None, decision.epoch, None, None, None, row.revision_id)
    folded = fire.folded
    if folded is None:
        return Advance(*moved, event_id, decision.epoch, fire.window, 0, None, row.revision_id)
    span = (folded.count, folded.oldest)
    return Advance(*moved, event_id, decision.epoch, fire.window, *span, row.revision_id)


def _fired(row: Due, fire: Fire, event_id: EventId, name: str) -> FiredWindow:
    return FiredWindow(
        trigger_id=row.trigger_id,
        trigger=name,
        event_id=event_id,
        window=fire.window,
        late_by=fire.late_by,
        folded=fire.folded.count if fire.folded else 0,
        overdue=fire.overdue,
    )


def _event_of(advance: Advance, event_id: EventId, now: Moment) -> Event:
    """Return the event that an advance which fires stores at *now*."""
    return Event(
        id=event_id,
        trigger_id=advance.trigger_id,
        accepted_at=now,
        epoch=advance.epoch,
        window=advance.window,
        folded=advance.folded,
        folded_from=advance.folded_from,
        last_fired_at=advance.last_fired_at,
        revision_id=advance.revision_id,
    )
