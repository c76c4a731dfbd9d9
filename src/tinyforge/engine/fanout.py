"""The one path from an event to its runs: one result for each binding, stored together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Protocol

import msgspec

from tinyforge.clock import Clock, Moment
from tinyforge.engine.facts import has_several
from tinyforge.engine.floor import Floor
from tinyforge.engine.payloads import PAYLOAD, with_payloads
from tinyforge.engine.watch import Watch
from tinyforge.errors import Conflict, InvalidConfig, MatchFailed, StoreUnavailable, UnknownKind
from tinyforge.kinds import MATCHED, Match, Matcher
from tinyforge.model import Event, EventId, Outcome, Result, Trigger, TriggerId
from tinyforge.observe.events import BindingResult, EventsAccepted, EventsFannedOut, Observe
from tinyforge.plugins import Plugins
from tinyforge.store.port import (
    Config,
    Events,
    FanOutBatch,
    FanOutDone,
    History,
    Inbox,
    Matched,
    Replicas,
    Route,
    Routes,
    Unmatched,
)

BATCH = 1_000
ATTEMPTS = 5
MOST_MATCHERS = 10_000
LONGEST_REASON = 500
MOST_KINDS = 1_000
MOST_TRIGGERS = 10_000
NOTHING = FanOutDone(runs=0, refused=(), results=(), taken=())


class EventStore(Events, Config, Replicas, History, Inbox, Protocol):
    """The roles that this room needs."""


@dataclass(frozen=True)
class Judged:
    """Results of a batch before they are stored."""

    matched: list[Matched]
    unmatched: list[Unmatched]


@dataclass
class FanOut:
    store: EventStore
    plugins: Plugins
    clock: Clock
    observe: Observe
    floor: Floor
    watch: Watch
    _matchers: OrderedDict[tuple[TriggerId, int | None, str], Matcher] = field(
        default_factory=OrderedDict
    )
    _idempotent: dict[str, bool | None] = field(default_factory=dict)
    _ruled: dict[TriggerId, Trigger] = field(default_factory=dict)
    _generation: int = -1  # of the config by which they are known

    async def deliver(self, events: Sequence[Event]) -> list[list[Result]]:
        """Give every binding of every event one result. Harmless the second time."""
        results: list[list[Result]] = []
        for start in range(0, len(events), BATCH):
            results += await self._deliver_batch(events[start : start + BATCH])
        return results

    async def tell(self, events: Sequence[Event]) -> dict[EventId, Sequence[Result]]:
        """Do as `deliver`, and return the results of each event; of some maybe not, if not ours."""
        found: dict[EventId, Sequence[Result]] = {}
        for start in range(0, len(events), BATCH):
            found.update(await self._tell_batch(events[start : start + BATCH]))
        return found

    async def accept(self, events: Sequence[Event]) -> None:
        """Say that *events* are stored, and fan them out."""
        if events:
            self.observe(EventsAccepted(events=[event.id for event in events]))
            await self.deliver(events)

    async def rehearse(self, event: Event) -> list[Result]:
        """Say what `deliver` would give before queues are looked at, and store nothing."""
        routes = await self.store.routes([event.trigger_id])
        triggers = await self._triggers([event], routes)
        judged = self.judge(await self._whole([event], routes.rows), routes.rows, triggers)
        results = [
            Result(
                binding_id=line.binding_id,
                outcome=Outcome.MATCHED,
                reason=line.reason or "matched",
            )
            for line in judged.matched
        ]
        results += [
            Result(binding_id=line.binding_id, outcome=line.outcome, reason=line.reason)
            for line in judged.unmatched
        ]
        return sorted(results, key=attrgetter("binding_id"))

    async def quarantine(self, event: Event) -> None:
        """Give an event up whose fan-out ended the process again and again."""
        routes = await self.store.routes([event.trigger_id])
        reason = f"its fan-out ended the process {event.tries} times"
        lines = [
            Unmatched(event.id, route.binding_id, Outcome.QUARANTINED, reason)
            for route in routes.rows
            if route.binding_id is not None
        ]
        batch = FanOutBatch(
            generation=routes.generation, events=[event.id], matched=(), unmatched=lines
        )
        done = await self.store.fan_out(batch, self.clock.now())
        self.announce(batch, done, scheduled=int(event.window is not None))

    def judge(
        self,
        events: Sequence[Event],
        routes: Sequence[Route],
        triggers: Mapping[TriggerId, Trigger],
    ) -> Judged:
        """Decide every binding of *events*. Only matching runs other people's code."""
        by_trigger = {
            trigger: list(rows) for trigger, rows in groupby(routes, attrgetter("trigger_id"))
        }
        judged = Judged([], [])
        for event in events:
            for route in by_trigger.get(event.trigger_id, ()):
                self._judge_one(event, route, triggers, judged)
        return judged

    def _judge_one(
        self, event: Event, route: Route, triggers: Mapping[TriggerId, Trigger], judged: Judged
    ) -> None:
        is_plain = route.rule is None and not _has_changes(event)
        if is_plain or event.ruleless or route.broken or not route.enabled:
            self.place(event.id, route, event.accepted_at, judged)
            return
        verdict = self._match(event, route, route.rule or "{}", triggers.get(event.trigger_id))
        if isinstance(verdict, Unmatched):
            judged.unmatched.append(verdict)
        elif not verdict.deploy:
            self._refuse(event.id, route, Outcome.NOT_MATCHED, verdict.reason, judged)
        else:
            self._take(event, route, verdict, judged)

    def _take(self, event: Event, route: Route, verdict: Match, judged: Judged) -> None:
        """Place a match, with what its rule said of it."""
        before = len(judged.matched)
        self.place(event.id, route, event.accepted_at, judged)
        if not _has_changes(event) or len(judged.matched) == before:
            return
        change = verdict.change if has_several(event) else None
        judged.matched[-1] = judged.matched[-1]._replace(
            reason=verdict.reason[:LONGEST_REASON], change=change
        )

    def place(self, event_id: EventId, route: Route, ready_at: Moment, judged: Judged) -> None:
        """Decide a binding that no rule stands before."""
        binding = route.binding_id
        if binding is None:
            return
        repeatable = self.is_repeatable(route)
        if repeatable is None and self._is_for_others(route):
            repeatable = bool(route.idempotent)
        if repeatable is None or not route.enabled:
            self._refuse(event_id, route, *self._why_not(route), judged)
            return
        judged.matched.append(
            Matched(event_id, binding, route.workload_id, route.queue, repeatable, ready_at)
        )

    def _why_not(self, route: Route) -> tuple[Outcome, str]:
        if route.broken is not None:
            return Outcome.MATCH_FAILED, route.broken
        if not route.enabled:
            return Outcome.DISABLED, "the binding is disabled"
        return Outcome.UNKNOWN_KIND, f"no workload kind {route.workload_kind!r} is installed"

    def is_repeatable(self, route: Route) -> bool | None:
        """Return whether the workload may run twice; None: it cannot run at all."""
        if route.broken is not None:
            return None
        kind = route.workload_kind
        try:
            by_kind = self._idempotent[kind]
        except KeyError:
            by_kind = self._idempotent[kind] = self._ask_kind(kind)
        return by_kind if by_kind is None or route.idempotent is None else bool(route.idempotent)

    def _is_for_others(self, route: Route) -> bool:
        """Say whether a server that lives knows the workload's kind, which we do not."""
        return route.broken is None and route.workload_kind in self.store.elsewhere.workload_kinds

    def _ask_kind(self, kind: str) -> bool | None:
        if len(self._idempotent) > MOST_KINDS:  # names that hands wrote
            self._idempotent.clear()
        try:
            return self.plugins.idempotent(kind)
        except (UnknownKind, InvalidConfig):
            return None

    def _refuse(
        self, event_id: EventId, route: Route, outcome: Outcome, reason: str, judged: Judged
    ) -> None:
        if route.binding_id is not None:
            line = Unmatched(event_id, route.binding_id, outcome, reason[:LONGEST_REASON])
            judged.unmatched.append(line)

    def _match(
        self, event: Event, route: Route, rule: str, trigger: Trigger | None
    ) -> Match | Unmatched:
        binding = route.binding_id
        if binding is None or trigger is None:
            return MATCHED
        self.watch.doing = f"the match of {trigger.kind} {trigger.name}, event {event.id}"
        try:
            return self._matcher(trigger, rule)(event)
        except UnknownKind as problem:
            return Unmatched(event.id, binding, Outcome.UNKNOWN_KIND, str(problem))
        except MatchFailed as problem:
            return Unmatched(event.id, binding, Outcome.MATCH_FAILED, str(problem)[:LONGEST_REASON])
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - plugin code; one bad binding must not stop its siblings
            reason = f"{type(problem).__name__}: {problem}"[:LONGEST_REASON]
            return Unmatched(event.id, binding, Outcome.MATCH_FAILED, reason)
        finally:
            self.watch.doing = "our own code"

    def _matcher(self, trigger: Trigger, rule: str) -> Matcher:
        key = (trigger.id, trigger.revision_id, rule)
        found = self._matchers.get(key)
        if found is None:
            kind = self.plugins.trigger(trigger.kind, trigger.config)
            found = kind.matcher(msgspec.json.decode(rule, type=dict[str, object]))
            self._matchers[key] = found
            if len(self._matchers) > MOST_MATCHERS:
                self._matchers.popitem(last=False)
        return found

    async def _deliver_batch(self, events: Sequence[Event]) -> list[list[Result]]:
        done = await self._fan_out_batch(events, told=False)
        return [list(done.results)] if len(events) == 1 else []

    async def _tell_batch(self, events: Sequence[Event]) -> Mapping[EventId, Sequence[Result]]:
        done = await self._fan_out_batch(events, told=True)
        before = [one.id for one in events if one.id not in done.by_event]
        if not before:
            return done.by_event
        known = await self.store.results(before)  # somebody else has fanned them out
        return {**done.by_event, **{number: found for number, found in known.items() if found}}

    async def _fan_out_batch(self, events: Sequence[Event], *, told: bool) -> FanOutDone:
        for _ in range(ATTEMPTS):
            try:
                return await self._try_batch(events, told=told)
            except Conflict:
                continue
        raise StoreUnavailable("the bindings kept changing while an event was fanned out")

    async def _try_batch(self, events: Sequence[Event], *, told: bool) -> FanOutDone:
        routes = await self.store.routes(sorted({event.trigger_id for event in events}))
        triggers = await self._triggers(events, routes)
        ours = [one for one in events if self._is_ours(one, triggers.get(one.trigger_id))]
        if not ours:
            return NOTHING
        judged = self.judge(await self._whole(ours, routes.rows), routes.rows, triggers)
        return await self.store_results(
            FanOutBatch(
                generation=routes.generation,
                events=[event.id for event in ours],
                matched=judged.matched,
                unmatched=judged.unmatched,
                told=told,
            ),
            scheduled=sum(event.window is not None for event in ours),
        )

    def _is_ours(self, event: Event, ruled: Trigger | None) -> bool:
        """Say whether we match an event; its rules may need a kind that only others know."""
        if ruled is None or event.ruleless:
            return True
        return ruled.kind not in self.store.elsewhere.trigger_kinds

    async def store_results(self, batch: FanOutBatch, scheduled: int) -> FanOutDone:
        """Store a batch, hand over what was born running, and say so."""
        reserved = self.floor.reserve(len(batch.matched))
        taken: FanOutDone | None = None
        try:
            given = msgspec.structs.replace(batch, may_begin=reserved)
            taken = await self.store.fan_out(given, self.clock.now())
        finally:
            self.floor.begin(taken.taken if taken is not None else (), reserved)
        self.announce(batch, taken, scheduled)
        return taken

    def announce(self, batch: FanOutBatch, done: FanOutDone, scheduled: int) -> None:
        """Say what was stored, and wake who runs."""
        refused = [
            BindingResult(event_id=event, binding_id=binding, outcome=outcome, reason=reason)
            for event, binding, outcome, reason in (*batch.unmatched, *done.refused)
        ]
        self.observe(
            EventsFannedOut(
                events=len(batch.events), scheduled=scheduled, runs=done.runs, refused=refused
            )
        )
        if done.runs:
            self.floor.wake()

    async def _whole(self, events: Sequence[Event], routes: Sequence[Route]) -> Sequence[Event]:
        """Give events what their deliveries held, where some rule looks into that."""
        asking = {one.trigger_id for one in routes if _looks_into_payload(one.rule)}
        return await with_payloads(self.store, events, asking) if asking else events

    async def _triggers(
        self, events: Sequence[Event], routes: Routes
    ) -> Mapping[TriggerId, Trigger]:
        """Return the triggers of which some binding, or what their events changed, has a rule.

        They are kept as long as the config is the same.
        """
        ruled = {route.trigger_id for route in routes.rows if route.rule is not None}
        ruled |= {event.trigger_id for event in events if _has_changes(event)}
        wanted = {event.trigger_id for event in events} & ruled
        if routes.generation != self._generation or len(self._ruled) > MOST_TRIGGERS:
            self._ruled, self._generation = {}, routes.generation
        known = self._ruled
        missing = sorted(number for number in wanted if number not in known)
        if missing:
            found = await self.store.inspect("trigger", missing)
            known.update({one.row.id: one.row for one in found if isinstance(one.row, Trigger)})
        return {number: known[number] for number in wanted if number in known}


def _looks_into_payload(rule: str | None) -> bool:
    return isinstance(rule, str) and PAYLOAD in rule  # a hand may have left bytes there


def _has_changes(event: Event) -> bool:
    """Say whether even a binding without a rule takes only some of these: not a deletion."""
    return "changes" in event.facts
