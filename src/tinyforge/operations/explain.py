"""Why a trigger fired or did not, at a moment or lately, from stored facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from tinyforge.clock import SECOND, Clock, Moment, rfc3339
from tinyforge.ids import lowest, show
from tinyforge.model import Event, EventId, Trigger
from tinyforge.operations.answering import (
    SHOWN,
    Facts,
    event_line,
    explained,
    fired_words,
    skipped,
    snapped,
    summary,
    undecided,
    windows_at,
)
from tinyforge.operations.answers import DecisionView, ExplainView, Verdict
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.events import Events
from tinyforge.operations.rendering import SCHEDULE, at_text
from tinyforge.operations.roles import Reads
from tinyforge.operations.views import EventDetail, ResultView
from tinyforge.schedule.decision import State
from tinyforge.store.port import (
    DeliveryFilter,
    DeliveryRow,
    EventFilter,
    Fate,
    Inbox,
    Timing,
)

NO_EVENT: Mapping[Fate, Verdict] = {
    Fate.IGNORED: "ignored",
    Fate.DISABLED: "disabled",
    Fate.CONFLICT: "conflict",
}
OTHER_BODY = "its id came before with another body"


class Store(Reads, Inbox, Protocol):
    """The roles that this room needs."""


@dataclass(frozen=True)
class Explain:
    reads: Store
    events: Events
    clock: Clock

    async def explain(self, name: str, caller: Caller, at: Moment | None = None) -> ExplainView:
        """Answer for one moment; without it, with the last decisions and the next window."""
        caller.must_see_trigger(name)
        trigger, timing = await self.reads.trigger_named(name)
        if trigger.kind != SCHEDULE and timing is None:
            return await (
                self._lately_delivered(trigger) if at is None else self._near(trigger, at)
            )
        if timing is None or timing.state is None:
            return _unplanned(trigger, at)
        if at is None:
            return await self._lately(trigger, timing, timing.state)
        return await self._at(trigger, timing, timing.state, at)

    async def _at(
        self, trigger: Trigger, timing: Timing, state: State, asked: Moment
    ) -> ExplainView:
        facts = await self._facts(trigger, timing, state, asked)
        at = snapped(facts, asked)
        here = windows_at(facts, at)
        is_window = here is not None and here.has(at)
        event = await self.reads.event_at(trigger.id, at)
        if event is not None and (is_window or event.window == at):
            return await self._fired(facts, at, event)
        row = await self.reads.span_at(trigger.id, at)
        if row is not None and (is_window or at in (row.oldest, row.newest)):
            return skipped(facts, at, row)
        return undecided(facts, at, is_window=is_window)

    async def _fired(self, facts: Facts, at: Moment, event: Event) -> ExplainView:
        detail = await self.events.detail(event)
        verdict, words = fired_words(at, event)
        sentence = f"{words} {_results_words(detail)}"
        view = explained(facts, at, verdict, sentence, detail.next_command)
        return replace(view, event=detail)

    async def _facts(self, trigger: Trigger, timing: Timing, state: State, at: Moment) -> Facts:
        return Facts(
            trigger=trigger,
            timing=timing,
            state=state,
            epochs=await self.reads.epochs(trigger.id),
            kept_from=await self.reads.proved_from(trigger.id),
            fire_before=await self.reads.fire_before(trigger.id, at),
            now=self.clock.now(),
        )

    async def _lately(self, trigger: Trigger, timing: Timing, state: State) -> ExplainView:
        events = await self.reads.events(EventFilter(trigger_id=trigger.id, limit=SHOWN))
        spans = await self.reads.spans(trigger.id, SHOWN)
        facts = await self._facts(trigger, timing, state, self.clock.now())
        return summary(facts, events, spans)

    async def _lately_delivered(self, trigger: Trigger) -> ExplainView:
        """Say of the last events what each binding made of them, and of deliveries why not."""
        events = await self.reads.events(EventFilter(trigger_id=trigger.id, limit=SHOWN))
        lines = [await self._event_line(event) for event in events]
        for fate in NO_EVENT:
            wanted = DeliveryFilter(trigger_id=trigger.id, fate=fate, limit=SHOWN)
            lines += map(_delivery_line, await self.reads.deliveries(wanted))
        lines.sort(key=lambda line: line.at, reverse=True)
        return replace(_without_windows(trigger), decisions=lines[:SHOWN])

    async def _event_line(self, event: Event) -> DecisionView:
        line = event_line(event)
        by = f"{line.words}: " if line.words else ""
        return replace(line, words=by + _results_words(await self.events.detail(event)))

    async def _near(self, trigger: Trigger, at: Moment) -> ExplainView:
        """Answer with the last event that was accepted until then."""
        wanted = EventFilter(trigger_id=trigger.id, before=EventId(lowest(at + SECOND)), limit=1)
        found = await self.reads.events(wanted)
        view = replace(_without_windows(trigger), asked=at_text(at))
        if not found:
            return replace(view, words=f"{view.words} No event of it is kept from before that.")
        detail = await self.events.detail(found[0])
        words = f"Its last event until then came at {at_text(found[0].accepted_at)}."
        return replace(
            view,
            words=f"{view.words} {words} {_results_words(detail)}",
            event=detail,
            next_command=detail.next_command,
        )


def _without_windows(trigger: Trigger) -> ExplainView:
    broken = f" It is broken: {trigger.broken}." if trigger.broken else ""
    return ExplainView(
        trigger=trigger.name,
        asked=None,
        verdict="broken" if trigger.broken else "no_windows",
        words=f"{trigger.name} is of kind {trigger.kind}: it has no windows.{broken}",
        next_command=command("trigger", "fire", trigger.name),
    )


def _delivery_line(row: DeliveryRow) -> DecisionView:
    return DecisionView(
        at=rfc3339(row.received_at),
        verdict=NO_EVENT[row.fate],
        words=row.reason or OTHER_BODY,
        next_command=command("delivery", "show", show("dlv", row.id)),
    )


def _unplanned(trigger: Trigger, at: Moment | None) -> ExplainView:
    """Say why a row that no sweep could plan, or did not see yet, has no windows."""
    if trigger.broken:
        words = f"{trigger.name} is broken and never had a window: {trigger.broken}."
        fix = command("trigger", "show", trigger.name)
    else:
        words = f"No sweep has planned {trigger.name} yet; a running server does within one tick."
        fix = "tinyforge doctor"
    return ExplainView(
        trigger=trigger.name,
        asked=at_text(at),
        verdict="broken" if trigger.broken else "unplanned",
        words=words,
        next_command=fix,
    )


def _results_words(detail: EventDetail) -> str:
    if detail.event.fanned_at is None:
        return "Its bindings have no results yet."
    if not detail.results:
        return "No binding was there to deploy anything."
    return "; ".join(_result_words(result) for result in detail.results[:SHOWN]) + "."


def _result_words(result: ResultView) -> str:
    reason = f" ({result.reason})" if result.reason else ""
    if result.run is not None:
        return f"{result.workload}: {result.run} {result.run_state or ''}".rstrip() + reason
    return f"{result.binding}: {result.outcome}{reason}"
