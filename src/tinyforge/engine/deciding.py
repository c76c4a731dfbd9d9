"""From due rows to what is stored of them: decided one by one, kept in batches."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Protocol

import msgspec

from tinyforge.clock import Micros, Moment
from tinyforge.engine.fanout import FanOut, Judged
from tinyforge.engine.pacer import Pacer
from tinyforge.model import Event, EventId, TriggerId
from tinyforge.observe.events import FiredWindow, WindowsSkipped
from tinyforge.schedule.decide import decide
from tinyforge.schedule.decision import Decision, Fire, State
from tinyforge.schedule.spec import Spec, load_spec
from tinyforge.store.port import (
    Advance,
    Config,
    Due,
    Events,
    FanOutBatch,
    Route,
    Schedules,
    Skip,
)

SLICE = 1_000
MOST_SPECS = 10_000


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
    generation: int = 0
    plain: Steps = field(default_factory=Steps)
    judged: Judged = field(default_factory=lambda: Judged([], []))
    ruled: Steps = field(default_factory=Steps)
    events: list[Event] = field(default_factory=list)  # of the ruled ones
    unfit: list[tuple[TriggerId, str]] = field(default_factory=list)  # and why

    def fan_out(self, may_begin: int) -> FanOutBatch:
        return FanOutBatch(
            generation=self.generation,
            events=[fired.event_id for fired in self.plain.fired],
            matched=self.judged.matched,
            unmatched=self.judged.unmatched,
            may_begin=may_begin,
        )


@dataclass
class Decider:
    store: DueStore
    fanout: FanOut
    pacer: Pacer
    tick_interval: Micros
    _specs: OrderedDict[int, Spec] = field(default_factory=OrderedDict)

    async def decide(self, rows: Sequence[Due], now: Moment) -> Batch:
        """Decide *rows* in slices, giving the loop back in between."""
        batch = Batch(now)
        for start in range(0, len(rows), SLICE):
            if start:
                await asyncio.sleep(0)
            self._decide_slice(rows[start : start + SLICE], batch, first=not start)
        return batch

    def _decide_slice(self, rows: Sequence[Due], batch: Batch, *, first: bool) -> None:
        specs = self._known_specs(rows)
        routes = self.store.routes([row.trigger_id for row in rows])
        batch.generation = routes.generation if first else min(batch.generation, routes.generation)
        ids = self._new_ids(len(rows), batch.now)
        by_trigger = groupby(routes.rows, attrgetter("trigger_id"))
        for row, event_id, (_, bound) in zip(rows, ids, by_trigger, strict=True):
            bindings = list(bound)
            spec = specs.get(row.spec_id)
            if not bindings[0].is_schedule or spec is None:
                batch.unfit.append((row.trigger_id, bindings[0].trigger or ""))
                continue
            try:
                decision = decide(spec, _state_of(row), batch.now, row.due_at)
            except (ValueError, ArithmeticError) as problem:
                batch.unfit.append((row.trigger_id, f"cannot be decided: {problem}"))
                continue
            self._take(row, decision, event_id, bindings, batch)

    def _take(
        self,
        row: Due,
        decision: Decision,
        event_id: EventId,
        bindings: Sequence[Route],
        batch: Batch,
    ) -> None:
        ruled = any(route.rule is not None for route in bindings)
        steps = batch.ruled if ruled else batch.plain
        fire, state = decision.fire, decision.state
        steps.advances.append(_advance(row, decision, event_id))
        if decision.skipped is not None:
            self._skip(row, decision, bindings[0].trigger or "", steps)
        if fire is None:
            return
        steps.fired.append(_fired(row, fire, event_id, bindings[0].trigger or ""))
        if ruled:
            batch.events.append(_event(row, fire, state, event_id, batch.now))
            return
        late = fire.late_by > self.tick_interval
        for route in bindings:
            ready_at = self.pacer.ready_at(batch.now) if late else batch.now
            self.fanout.place(event_id, route, ready_at, batch.judged)

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

    def _known_specs(self, rows: Sequence[Due]) -> dict[int, Spec]:
        """Return the compiled specs of *rows*; one that cannot be read is left out."""
        wanted = {row.spec_id for row in rows}
        found = {number: spec for number in wanted if (spec := self._specs.get(number))}
        missing = sorted(wanted - found.keys())
        for number, text in self.store.specs(missing).items() if missing else ():
            try:
                found[number] = self._specs[number] = load_spec(text, self.tick_interval)
            except (ValueError, msgspec.MsgspecError):
                continue
        while len(self._specs) > MOST_SPECS:
            self._specs.popitem(last=False)
        return found

    def _new_ids(self, count: int, now: Moment) -> list[EventId]:
        return [EventId(number) for number in self.store.new_ids(count, now)]


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


def _event(row: Due, fire: Fire, state: State, event_id: EventId, now: Moment) -> Event:
    return Event(
        id=event_id,
        trigger_id=row.trigger_id,
        accepted_at=now,
        epoch=state.epoch,
        window=fire.window,
        folded=fire.folded.count if fire.folded else 0,
        folded_from=fire.folded.oldest if fire.folded else None,
        last_fired_at=state.last_fired_at,
        revision_id=row.revision_id,
    )
