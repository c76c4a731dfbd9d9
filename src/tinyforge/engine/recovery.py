"""What a server that died left: runs under its lease, events without results."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tinyforge.clock import SECOND, Clock, Micros
from tinyforge.engine.fanout import FanOut
from tinyforge.engine.followers import Ending, Followers
from tinyforge.engine.orders import Orders
from tinyforge.errors import StoreUnavailable, UnknownKind
from tinyforge.ids import show
from tinyforge.model import MOST_TRIES, Event, EventDraft, EventId, RunState, Workload
from tinyforge.observe.events import (
    EventQuarantined,
    KindFailed,
    Observe,
    RecordingFailed,
    RunsRecovered,
)
from tinyforge.plugins import Plugins
from tinyforge.store.port import Dead, Events, Lives, Runs

LEFT_AT_ONCE = 1_000
AFTER_FAILURE: Micros = SECOND


class LeftStore(Lives, Events, Runs, Protocol):
    """The roles that this room needs."""


@dataclass
class Recovery:
    store: LeftStore
    fanout: FanOut
    orders: Orders
    followers: Followers
    plugins: Plugins
    clock: Clock
    observe: Observe
    _tried: set[EventId] = field(default_factory=set)  # in this life, and not done
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def recover_runs(self) -> None:
        """Queue again what may run twice; call the rest, and what died thrice, interrupted."""
        dead = await self.store.dead_runs()
        if not dead:
            return
        workloads = {one.workload_id: await self.orders.workload(one.workload_id) for one in dead}
        again = [one for one in dead if self._may_repeat(one, workloads[one.workload_id])]
        over = [one for one in dead if one not in again]
        await self._reap(dead)
        now = self.clock.now()
        events = await self.store.recover(again, over, await self._follow_ups(over), now)
        self.observe(
            RunsRecovered(
                requeued=[one.run_id for one in again], interrupted=[one.run_id for one in over]
            )
        )
        await self.fanout.accept(events)

    async def has_suspects(self) -> bool:
        """Say whether a server died when it tried one of the events left, alone."""
        return any(event.tries for event in await self.store.left_events(LEFT_AT_ONCE))

    async def deliver_suspects(self) -> None:
        """Try those again before anything is leased: no run dies of another's event."""
        for event in await self.store.left_events(LEFT_AT_ONCE):
            if event.tries:
                async with self._alone:
                    await self._deliver_one(event)

    async def deliver_alone(self) -> None:
        """Fan out what was accepted before the death, one by one, each try stored before it."""
        while True:
            try:
                while events := await self.store.left_events(LEFT_AT_ONCE):
                    for event in events:
                        async with self._alone:
                            await self._deliver_one(event)
            except StoreUnavailable as problem:
                self.observe(RecordingFailed(problem=problem.problem))
                await self.clock.wait(asyncio.Event(), AFTER_FAILURE)
            else:
                return

    async def _deliver_one(self, event: Event) -> None:
        """Try an event that nobody else tries. A try is a death at most, so one life counts one."""
        known = event.id in self._tried
        over = event.tries >= MOST_TRIES and not known
        if not await self.store.try_alone(event.id, counted=not (known or over)):
            return
        if over:
            await self._give_up(event)
            return
        self._tried.add(event.id)
        await self.fanout.deliver([event])
        self._tried.discard(event.id)

    async def _give_up(self, event: Event) -> None:
        await self.fanout.quarantine(event)
        labels = await self.store.trigger_labels([event.trigger_id])
        name = labels.get(event.trigger_id, ("", ""))[0]
        self.observe(EventQuarantined(event_id=event.id, trigger=name, tries=event.tries))

    def _may_repeat(self, dead: Dead, workload: Workload) -> bool:
        if dead.deaths >= MOST_TRIES:
            return False
        if workload.idempotent is not None:
            return workload.idempotent
        try:
            return self.plugins.idempotent(workload.kind)
        except UnknownKind:
            return False

    async def _reap(self, dead: Sequence[Dead]) -> None:
        """End what still runs of them, so that no two attempts overlap."""
        runs = frozenset(show("run", one.run_id) for one in dead)
        for kind in self.plugins.workload_kinds():
            try:
                reap = self.plugins.workload_class(kind).reap
            except UnknownKind:
                continue
            try:
                await asyncio.to_thread(reap, runs)
            except (Exception, SystemExit) as bug:  # noqa: BLE001 - plugin code; the start goes on
                problem = f"{type(bug).__name__}: {bug}"
                self.observe(KindFailed(kind=kind, doing="reap", problem=problem))

    async def _follow_ups(self, over: Sequence[Dead]) -> list[EventDraft]:
        events = await self.store.events_by_id([one.event_id for one in over])
        ends: list[tuple[Ending, Event]] = []
        for one in over:
            workload = await self.orders.workload(one.workload_id)
            ending = Ending(
                run_id=one.run_id,
                attempt=one.attempt,
                workload=workload.name,
                state=RunState.INTERRUPTED,
                error=None,
            )
            if one.event_id in events:
                ends.append((ending, events[one.event_id]))
        return await self.followers.drafts(ends)
