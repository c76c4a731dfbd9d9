"""Proving that every window has one decision and every event all its results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from tinyforge.clock import Clock, Moment, rfc3339
from tinyforge.ids import show
from tinyforge.model import Event, TriggerId
from tinyforge.operations.answers import CheckedView, FaultView, OpenView, VerifyView
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.naming import read_names
from tinyforge.operations.roles import Reads
from tinyforge.operations.serving import Serving
from tinyforge.schedule.decide import windows_of
from tinyforge.schedule.decision import EpochReason, State
from tinyforge.schedule.ledger import Epoch, Fault, FaultKind, Fired, History, SkippedSpan, faults
from tinyforge.schedule.spec import load_spec
from tinyforge.store.port import EpochRow, FiredRow, SpanRow, TriggerHistory

PAGE = 1_000  # schedules that are read at once
MOST_EVENTS = 100  # that are named one by one
TICKS = 2  # after which a window that is open is a fault


class Ledger(Reads, Protocol):
    async def open_events(self, limit: int, before: Moment) -> list[Event]: ...


class Finding(Struct, frozen=True, kw_only=True):
    """What one schedule's history came to."""

    faults: Sequence[FaultView] = ()
    notes: Sequence[str] = ()
    open: OpenView | None = None
    epochs: int = 0
    windows: int = 0
    events: int = 0


@dataclass(frozen=True)
class Verify:
    store: Ledger
    serving: Serving
    clock: Clock
    zone_data: str  # the version in use

    async def verify(self, caller: Caller, trigger: str | None = None) -> VerifyView:
        """Derive all windows again, of one schedule or of all, and compare."""
        if trigger is None:
            caller.must_see_all("a verify of all schedules")
        else:
            caller.must_see_trigger(trigger)
        findings: list[Finding] = []
        async for page in self._pages(trigger):
            findings.extend(await asyncio.to_thread(self._judge, page, self.clock.now()))
        lost = await self._events()
        return self._view(findings, [one for one in lost if trigger in (None, one.trigger)])

    async def _pages(self, trigger: str | None) -> AsyncIterator[list[TriggerHistory]]:
        if trigger is not None:
            found, _ = await self.store.trigger_named(trigger)
            page = await self.store.histories(TriggerId(found.id - 1), 1)
            yield [history for history in page if history.trigger_id == found.id]
            return
        after: TriggerId | None = None
        while page := await self.store.histories(after, PAGE):
            yield page
            after = page[-1].trigger_id

    def _judge(self, page: Sequence[TriggerHistory], now: Moment) -> list[Finding]:
        return [finding_of(history, self.zone_data, now) for history in page]

    async def _events(self) -> list[FaultView]:
        """Name events that lack a result, and those that were never fanned out."""
        late = self.clock.now() - TICKS * self.serving.tick_interval
        waiting = await self.store.open_events(MOST_EVENTS, late) if self.serving.is_live else []
        missing = await self.store.events_without_results(MOST_EVENTS)
        events = await self.store.events_by_id([one.event_id for one in missing])
        names = await read_names(
            self.store,
            triggers=(event.trigger_id for event in [*waiting, *events.values()]),
            bindings=(one.binding_id for one in missing),
        )
        lost = [
            _event_fault(event, names.trigger(event.trigger_id), "not_fanned_out", "no results yet")
            for event in waiting
        ]
        for one in missing:
            if event := events.get(one.event_id):
                words = f"no result for the binding {names.binding(one.binding_id)}"
                lost.append(
                    _event_fault(event, names.trigger(event.trigger_id), "no_result", words)
                )
        return lost

    def _view(self, findings: Sequence[Finding], lost: Sequence[FaultView]) -> VerifyView:
        found = [*lost, *(fault for finding in findings for fault in finding.faults)]
        waiting = [finding.open for finding in findings if finding.open is not None]
        patience = TICKS * self.serving.tick_interval
        overdue = [one for one in waiting if self.serving.is_live and one.overdue_us > patience]
        return VerifyView(
            ok=not found and not overdue,
            checked=CheckedView(
                triggers=len(findings),
                epochs=sum(finding.epochs for finding in findings),
                windows=sum(finding.windows for finding in findings),
                events=sum(finding.events for finding in findings),
            ),
            faults=found,
            open=waiting,
            notes=[note for finding in findings for note in finding.notes],
            next_command=_next_command(found, overdue),
        )


def finding_of(kept: TriggerHistory, zone_data: str, now: Moment) -> Finding:
    """Return what the history of one schedule comes to at *now*. Pure."""
    state = kept.timing.state
    if state is None or not kept.epochs:
        return Finding()
    name = kept.name or show("trg", kept.trigger_id)
    found = faults(ledger_of(kept, state, zone_data))
    zoned = [fault for fault in found if fault.kind is FaultKind.ZONE_DATA]
    return Finding(
        faults=[_fault_view(name, fault) for fault in found if fault not in zoned],
        notes=[f"{name}: {fault.text}" for fault in zoned],
        open=_open(name, kept, state, now),
        epochs=len(kept.epochs),
        windows=sum(1 + (row.folded or 0) for row in kept.fired)
        + sum(row.count or 0 for row in kept.spans),
        events=len(kept.fired),
    )


def ledger_of(kept: TriggerHistory, state: State, zone_data: str) -> History:
    return History(
        epochs=[_epoch(row, zone_data) for row in kept.epochs],
        fired=map(_fired, kept.fired),
        skipped=map(_skipped, kept.spans),
        state=state,
        proved_from=kept.proved_from,
    )


def _epoch(row: EpochRow, zone_data: str) -> Epoch:
    return Epoch(
        epoch=row.epoch,
        spec=load_spec(row.spec) if row.spec else None,
        since=row.since,
        base=row.base,
        opening=row.opening,
        decided_from=row.decided_from,
        why=EpochReason(row.why),
        before_until=row.before_until,
        zone_data_changed=row.zone_data != zone_data,
    )


def _fired(row: FiredRow) -> Fired:
    return Fired(
        epoch=row.epoch,
        window=row.window,
        last_fired_at=row.last_fired_at,
        folded=row.folded,
        folded_from=row.folded_from,
        fired_at=row.accepted_at,
    )


def _skipped(row: SpanRow) -> SkippedSpan:
    return SkippedSpan(
        epoch=row.epoch,
        oldest=row.oldest,
        newest=row.newest,
        count=row.count,
        reason=row.reason,
    )


def _open(name: str, kept: TriggerHistory, state: State, now: Moment) -> OpenView | None:
    """Return the oldest window that has passed and is not decided; at rest nothing is."""
    if state.at_rest or kept.timing.spec is None:
        return None
    oldest = windows_of(load_spec(kept.timing.spec), state).next_after(state.decided_until)
    if oldest is None or oldest > now:
        return None
    return OpenView(trigger=name, oldest=rfc3339(oldest), overdue_us=now - oldest)


def _fault_view(name: str, fault: Fault) -> FaultView:
    return FaultView(
        trigger=name, fault=fault.kind.value, words=fault.text, window=rfc3339(fault.at)
    )


def _event_fault(event: Event, trigger: str, fault: str, words: str) -> FaultView:
    shown = show("evt", event.id)
    return FaultView(
        trigger=trigger,
        fault=fault,
        words=f"{shown}: {words}",
        window=None if event.window is None else rfc3339(event.window),
        event=shown,
    )


def _next_command(found: Sequence[FaultView], overdue: Sequence[OpenView]) -> str:
    if found:
        first = found[0]
        if first.event:
            return command("event", "show", first.event)
        return command("explain", first.trigger, first.window or "")
    return "tinyforge doctor" if overdue else ""
