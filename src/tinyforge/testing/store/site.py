"""A small site in a store under test: a trigger, its workloads, and what happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from tinyforge.clock import MINUTE, SECOND, Moment
from tinyforge.labels import Labels
from tinyforge.model import (
    Binding,
    BindingId,
    Event,
    EventDraft,
    Outcome,
    Queue,
    Run,
    RunState,
    Trigger,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.schedule import life
from tinyforge.schedule.spec import Interval, Spec, Timetable, dump_spec
from tinyforge.store.port import (
    Abilities,
    BindingWrite,
    ConfigChange,
    FanOutBatch,
    FanOutDone,
    Finished,
    Matched,
    Places,
    RunFilter,
    Store,
    TakenRun,
    TimingWrite,
    TriggerWrite,
    Turn,
    Unmatched,
    WorkloadWrite,
)
from tinyforge.testing.clock import NEW_YEAR_2026

NOW: Moment = NEW_YEAR_2026
EVERY_MINUTE = Spec(timetable=Timetable(timing=Interval(every=MINUTE)))
PLENTY = 1_000


class Bench(Protocol):
    """One database of a store under test."""

    def open(self, abilities: Abilities | None = None) -> AbstractAsyncContextManager[Store]:
        """Open it as a server that starts, of version 1.0; what it held before is still there."""
        ...

    async def by_hand(self, statement: str) -> None:
        """Execute SQL as another program would, beside the open store."""
        ...


class Site(Struct, frozen=True, kw_only=True):
    trigger: Trigger
    workloads: Sequence[Workload]
    bindings: Sequence[Binding]


class Planned(Struct, frozen=True, kw_only=True):
    """How a site shall be."""

    name: str = "site"
    kind: str = "manual"
    queue: Queue = Queue.LATEST
    workloads: int = 1
    on: Labels = ()
    spec: Spec | None = None


async def put_site(store: Store, planned: Planned | None = None, now: Moment = NOW) -> Site:
    """Create a trigger bound to each of its workloads; with a spec, its schedule begins now."""
    planned = planned or Planned()
    site = _new_site(store, planned, now)
    timings = () if planned.spec is None else (creation(site.trigger.id, planned.spec, now),)
    change = ConfigChange(
        author="test",
        triggers=[TriggerWrite(row=site.trigger, text="{}")],
        workloads=[WorkloadWrite(row=row, text="{}") for row in site.workloads],
        bindings=[BindingWrite(row=row, text="{}") for row in site.bindings],
        timings=timings,
    )
    await store.change(change, now)
    return site


def _new_site(store: Store, planned: Planned, now: Moment) -> Site:
    name, kind = planned.name, "schedule" if planned.spec else planned.kind
    trigger = Trigger(id=TriggerId(store.new_id(now)), name=name, kind=kind, config={})
    workloads = [
        Workload(
            id=WorkloadId(store.new_id(now)),
            name=f"{name}-{number}",
            kind="command",
            config={"command": ["true"]},
            queue=planned.queue,
            on=planned.on,
        )
        for number in range(planned.workloads)
    ]
    bindings = [
        Binding(
            id=BindingId(store.new_id(now)),
            name=f"{name}.{workload.name}",
            trigger_id=trigger.id,
            workload_id=workload.id,
        )
        for workload in workloads
    ]
    return Site(trigger=trigger, workloads=workloads, bindings=bindings)


def creation(trigger_id: TriggerId, spec: Spec, now: Moment) -> TimingWrite:
    return TimingWrite(
        trigger_id=trigger_id,
        before=None,
        decision=life.create(spec, now),
        spec=dump_spec(spec),
        revision_id=None,
    )


async def accept(store: Store, site: Site, now: Moment = NOW) -> Event:
    """Accept an event that is like no other."""
    (event,) = await store.accept([EventDraft(trigger_id=site.trigger.id)], now)
    assert event is not None, "an event without a key is always new"
    return event


async def fan_out(
    store: Store,
    site: Site,
    *events: Event,
    may_begin: int = 0,
    ready_at: Moment = NOW,
) -> FanOutDone:
    """Match every binding of *events*; their runs may be repeated where some may begin."""
    queues = {workload.id: workload.queue for workload in site.workloads}
    batch = FanOutBatch(
        generation=await store.generation(),
        events=[event.id for event in events],
        matched=[
            Matched(
                event.id,
                binding.id,
                binding.workload_id,
                queues[binding.workload_id],
                may_begin > 0,
                ready_at,
            )
            for event in events
            for binding in site.bindings
        ],
        unmatched=(),
        may_begin=may_begin,
    )
    return await store.fan_out(batch, NOW)


async def refusing(store: Store, site: Site, event: Event) -> FanOutBatch:
    """Return a fan-out in which no binding of *event* matches."""
    return FanOutBatch(
        generation=await store.generation(),
        events=[event.id],
        matched=(),
        unmatched=[
            Unmatched(event.id, binding.id, Outcome.NOT_MATCHED, "branch is 'dev', not 'main'")
            for binding in site.bindings
        ],
    )


async def fire(store: Store, site: Site, **how: int) -> tuple[Event, FanOutDone]:
    event = await accept(store, site)
    return event, await fan_out(store, site, event, **how)


async def take(
    store: Store, free: int = PLENTY, ahead: int = 0, now: Moment = NOW
) -> list[TakenRun]:
    turn = await store.turn((), (), Places(free, ahead), now)
    return list(turn.taken)


async def finish(
    store: Store, *ends: Finished, free: int = 0, follow_ups: Sequence[EventDraft] = ()
) -> Turn:
    """Store how attempts ended, and take what may run then."""
    return await store.turn(ends, follow_ups, Places(free, 0), NOW + 2 * SECOND)


def succeeded(run: TakenRun) -> Finished:
    return ended(run, RunState.SUCCEEDED, "succeeded")


def failed(run: TakenRun) -> Finished:
    return ended(run, RunState.FAILED, "failed", error="exit code 1")


def put_back(run: TakenRun, ready_at: Moment, queue: Queue = Queue.LATEST) -> Finished:
    """End an attempt that failed and is tried again from *ready_at* on."""
    again = ended(run, RunState.QUEUED, "failed", error="exit code 1")
    return again._replace(ready_at=ready_at, queue=queue)


def released(run: TakenRun) -> Finished:
    """End an attempt that a soft stop gives back."""
    return ended(run, RunState.QUEUED, "released")._replace(counted=False)


def ended(run: TakenRun, state: RunState, outcome: str, error: str | None = None) -> Finished:
    return Finished(
        run=run,
        state=state,
        started_at=NOW,
        ended_at=NOW + SECOND,
        outcome=outcome,
        error=error,
        ready_at=NOW,
        queue=Queue.LATEST,
        counted=True,
    )


async def runs_of(store: Store, event: Event) -> list[Run]:
    found = await store.runs(RunFilter(event_id=event.id, limit=PLENTY))
    return sorted(found, key=lambda run: run.id)


async def only_run(store: Store, event: Event) -> Run:
    (run,) = await runs_of(store, event)
    return run


async def states_of(store: Store, *events: Event) -> list[RunState]:
    """Return the states of the only run of each event."""
    return [(await only_run(store, event)).state for event in events]
