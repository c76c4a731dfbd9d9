"""Triggers: which there are, and putting one to rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tinyforge.clock import Clock
from tinyforge.errors import Refused
from tinyforge.model import Event, Trigger
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.endpoints import Endpoints
from tinyforge.operations.naming import read_names
from tinyforge.operations.patience import persist
from tinyforge.operations.rendering import (
    SCHEDULE,
    binding_view,
    event_view,
    revision_view,
    skipped_view,
    timing_view,
    trigger_view,
)
from tinyforge.operations.roles import Plans, Reads, Ticks
from tinyforge.operations.views import (
    BindingView,
    SwitchView,
    TriggerDetail,
)
from tinyforge.plugins.masks import Masks
from tinyforge.store.port import ConfigChange, EventFilter, Timing, TimingWrite

LATEST_EVENTS = 10


@dataclass(frozen=True)
class Triggers:
    reads: Reads
    plans: Plans
    ticks: Ticks
    clock: Clock
    auditor: Auditor
    endpoints: Endpoints
    masks: Masks

    async def show(self, name: str, caller: Caller) -> TriggerDetail:
        caller.must_see_trigger(name)
        trigger, timing = await self.reads.trigger_named(name)
        bindings = await self._bindings(trigger)
        events = await self.reads.events(EventFilter(trigger_id=trigger.id, limit=LATEST_EVENTS))
        revisions = await self.reads.revisions("trigger", trigger.id)
        row = (await self.reads.endpoints_of([trigger.id])).get(trigger.id)
        return TriggerDetail(
            trigger=trigger_view(
                self.masks.trigger(trigger), timing, [one.workload for one in bindings], row
            ),
            timing=timing_view(timing, trigger.config) if timing else None,
            bindings=bindings,
            revisions=[revision_view(one) for one in self.masks.revisions(revisions)],
            events=[event_view(event, trigger.name) for event in events],
            endpoint=await self.endpoints.view(trigger, caller),
        )

    async def pause(self, name: str, caller: Caller) -> SwitchView:
        """Decide nothing from now on, until somebody resumes."""
        caller.must_see_trigger(name)
        return await persist(partial(self._pause, name, caller))

    async def resume(self, name: str, caller: Caller) -> SwitchView:
        """Decide what passed meanwhile: at most one window fires."""
        caller.must_see_trigger(name)
        return await persist(partial(self._resume, name, caller))

    async def _pause(self, name: str, caller: Caller) -> SwitchView:
        trigger, timing = await self._schedule(name)
        write = self.plans.pause(timing, now := self.clock.now())
        if write is None:
            return SwitchView(
                trigger=trigger_view(self.masks.trigger(trigger), timing), changed=False
            )
        entry = self.auditor.entry(caller, "pause_trigger", name, "active", "paused")
        change = ConfigChange(author=caller.actor, timings=[write], entry=entry)
        await self.reads.change(change, now)
        self.ticks.wake()
        return await self._switched(name, write, ())

    async def _resume(self, name: str, caller: Caller) -> SwitchView:
        trigger, timing = await self._schedule(name)
        write = self.plans.resume(timing, now := self.clock.now())
        if write is None:
            return SwitchView(
                trigger=trigger_view(self.masks.trigger(trigger), timing), changed=False
            )
        entry = self.auditor.entry(caller, "resume_trigger", name, "paused", "active")
        change = ConfigChange(author=caller.actor, timings=[write], entry=entry)
        events = await self.reads.change(change, now)
        await self.ticks.deliver(events)
        self.ticks.wake()
        return await self._switched(name, write, events)

    async def _switched(self, name: str, write: TimingWrite, events: Sequence[Event]) -> SwitchView:
        trigger, timing = await self.reads.trigger_named(name)
        decision = write.decision
        skipped = decision.skipped
        view = trigger_view(self.masks.trigger(trigger), timing)
        return SwitchView(
            trigger=view,
            changed=True,
            fired=event_view(events[0], name) if events else None,
            skipped=skipped_view(skipped, decision.epoch, self.clock.now()) if skipped else None,
            next_command=command("explain", name) if events or skipped else view.next_command,
        )

    async def _schedule(self, name: str) -> tuple[Trigger, Timing]:
        trigger, timing = await self.reads.trigger_named(name)
        if trigger.kind != SCHEDULE:
            raise Refused(
                f"{name} is of kind {trigger.kind}, which has no windows to hold back",
                "set `enabled: false` for it in its manifest, then: tinyforge apply FILE",
            )
        if timing is None or timing.state is None:
            problem = trigger.broken or "no sweep has planned it yet"
            raise Refused(f"{name}: {problem}", command("trigger", "show", name))
        return trigger, timing

    async def _bindings(self, trigger: Trigger) -> list[BindingView]:
        bindings = await self.reads.bindings_of(trigger.id)
        names = await read_names(self.reads, workloads=(one.workload_id for one in bindings))
        return [
            binding_view(one, trigger.name, names.workload(one.workload_id)) for one in bindings
        ]
