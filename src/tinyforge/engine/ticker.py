"""One sweep: find what is due, record it, fan it out. Then sleep until the next due moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from tinyforge.clock import SECOND, Clock, Micros, Moment
from tinyforge.engine.bound import FAR_PAST
from tinyforge.engine.byhand import HandChanges
from tinyforge.engine.deciding import Batch, Decider, DueStore, Steps
from tinyforge.engine.fanout import FanOut
from tinyforge.engine.floor import Floor
from tinyforge.engine.recent import Recent
from tinyforge.errors import Conflict, StoreUnavailable
from tinyforge.model import Event
from tinyforge.observe.events import (
    ClockSetBack,
    EventsAccepted,
    FireRefused,
    ListingFailed,
    Observe,
    Recorded,
    RecordingFailed,
    SchedulesFired,
    TickBegan,
    TickIntervalClamped,
)
from tinyforge.store.port import WindowsRepeated

USUAL_TICK = 30 * SECOND
SHORTEST_TICK, LONGEST_TICK = SECOND, 300 * SECOND
SMALLEST_BATCH, LARGEST_BATCH = 2_000, 10_000
IN_FLIGHT = 2
ROUNDS = 5  # over rows that moved while they were decided
TOLERATED_STEP_BACK = 2 * SECOND
LEFT_OVER_EVERY = 10 * SECOND
LEFT_OVER_AFTER = 60 * SECOND  # an event without results that long lost its fan-out
BREATH = SECOND // 1_000  # due moments closer than this share a sweep
AFTER_FAILURE = SECOND
LOOK_AROUND_EVERY = SECOND // 20  # for changes by hand, the clock, left events
TOLD_IN_TIME = 6 * SECOND  # a shared database tells more often what is due


def clamp(requested: Micros, observe: Observe) -> Micros:
    """Apply rule 1 to a `tick_interval`, and warn where a value that was given is changed."""
    applied = USUAL_TICK if requested <= 0 else requested
    applied = min(max(applied, SHORTEST_TICK), LONGEST_TICK)
    if requested not in {0, applied}:
        observe(TickIntervalClamped(requested=requested, applied=applied))
    return applied


@dataclass
class Ticker:
    store: DueStore
    fanout: FanOut
    decider: Decider
    by_hand: HandChanges
    floor: Floor
    recent: Recent
    clock: Clock
    observe: Observe
    tick_interval: Micros
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _marked: Micros | None = None
    _closing: bool = False
    _looked: Micros = -(2**62)
    _left_over_at: Micros = 0

    async def run(self) -> None:
        """Sweep at once, then whenever something is due, at least every `tick_interval`."""
        while not self._closing:
            recorded = await self._sweep() and await self.prove_recording()
            await self._wait(at_least=BREATH if recorded else AFTER_FAILURE)

    def wake(self) -> None:
        """Look again soon: what is due may have changed."""
        self._woken.set()

    def close(self) -> None:
        """Claim nothing more; the sweep in flight ends, and `run` with it."""
        self._closing = True
        self.wake()

    async def _sweep(self) -> bool:
        """Sweep; under load, what is seldom there is looked for only so often."""
        if self._is_quiet():
            self.observe(TickBegan())
            return True
        now = self.clock.monotonic()
        wholly = now - self._looked >= LOOK_AROUND_EVERY
        if wholly:
            self._looked = now
        return await self.tick(wholly=wholly)

    def _is_quiet(self) -> bool:
        """Say whether the database has just told that there is nothing to do."""
        known, now = self.store.known(), self.clock.now()
        return (
            known is not None
            and known.is_quiet(now)
            and now >= known.high_water - TOLERATED_STEP_BACK
        )

    async def tick(self, *, wholly: bool = True) -> bool:
        """Do one sweep; the store's troubles are said, and end this sweep only: False."""
        self.observe(TickBegan())
        try:
            if wholly:
                await self.by_hand.plan(self.clock.now())
                await self._follow_clock()
                await self._deliver_left_over()
            await self._fire_due()
        except StoreUnavailable as problem:
            self.observe(RecordingFailed(problem=problem.problem))
            self._marked = None
            return False
        return True

    async def deliver(self, events: Sequence[Event]) -> None:
        """Fan out events that a change of config fired."""
        await self.fanout.accept(events)

    async def prove_recording(self) -> bool:
        """Store that the clock was here, once for each `tick_interval`: a sweep must be able to."""
        now = self.clock.monotonic()
        if self._marked is not None and now - self._marked < self.tick_interval:
            return True
        try:
            await self.store.mark(self.clock.now())
        except StoreUnavailable as problem:
            self.observe(RecordingFailed(problem=problem.problem))
            return False
        self._marked = now
        self.observe(Recorded(at=self.clock.now()))
        return True

    async def _wait(self, at_least: Micros) -> None:
        now = self.clock.now()
        try:
            due_at = await self._next_due_at(now)
        except StoreUnavailable as problem:
            self.observe(ListingFailed(problem=problem.problem))
            due_at = None
        until = self.tick_interval if due_at is None else due_at - now
        at_most = min(max(until, at_least), self.tick_interval)
        await self.clock.wait(self._woken, at_most)

    async def _next_due_at(self, now: Moment) -> Moment | None:
        """Return when our share is due next; while all are far from it, when any is."""
        known = self.store.known()
        if known is not None and not known.is_due(now + TOLD_IN_TIME):
            return known.next_due_at
        return await self.store.next_due_at()

    async def _fire_due(self) -> None:
        """Claim in growing batches, two in flight; what moved meanwhile is looked at again.

        Only what is due as a round begins: under load something always is, and the sweep must end.
        """
        for _ in range(ROUNDS):
            if not await self._round():
                return

    async def _round(self) -> bool:
        after, size, moved, until = FAR_PAST, SMALLEST_BATCH, False, self.clock.now()
        in_flight: deque[asyncio.Task[bool]] = deque()
        try:
            while not self._closing:
                rows = await self.store.due(after, until, size)
                if not rows:
                    break
                after, asked = (rows[-1].due_at, rows[-1].trigger_id), size
                size = min(2 * size, LARGEST_BATCH)
                batch = await self.decider.decide(rows, self.clock.now())
                in_flight.append(asyncio.ensure_future(self._store(batch)))
                if len(in_flight) >= IN_FLIGHT:
                    moved |= await in_flight.popleft()
                if len(rows) < asked:
                    break
        finally:
            for done in await asyncio.gather(*in_flight, return_exceptions=True):
                if isinstance(done, BaseException):
                    raise done
                moved |= done
        return moved

    async def _store(self, batch: Batch) -> bool:
        """Record a batch and fan it out; True where rows moved since they were read."""
        if batch.unfit:
            await self._refuse(batch)
        try:
            try:
                await self._store_plain(batch)
                await self._store_ruled(batch)
            except WindowsRepeated as repeated:
                await self.by_hand.begin_anew(repeated.triggers, batch.now)
                return True
        except Conflict:
            return True
        return False

    async def _store_plain(self, batch: Batch) -> None:
        steps = batch.plain
        if not steps.advances:
            return
        reserved = self.floor.reserve(len(batch.judged.matched))
        fan_out, done = batch.fan_out(reserved), None
        if fan_out.matched:
            self.recent.note(batch.fresh())
        try:
            done = await self.store.advance(steps.advances, steps.skips, fan_out, batch.now)
        finally:
            self.floor.begin(done.taken if done else (), reserved)
        self._announce(steps, batch.now)
        if done is not None:
            self.fanout.announce(fan_out, done, scheduled=len(steps.fired))

    async def _store_ruled(self, batch: Batch) -> None:
        steps = batch.ruled
        if not steps.advances:
            return
        await self.store.advance(steps.advances, steps.skips, None, batch.now)
        self.observe(EventsAccepted(events=[event.id for event in batch.events]))
        self._announce(steps, batch.now)
        await self.fanout.deliver(batch.events)

    def _announce(self, steps: Steps, now: Moment) -> None:
        if steps.fired:
            self.observe(SchedulesFired(at=now, fired=steps.fired))
        for skipped in steps.skipped:
            self.observe(skipped)

    async def _refuse(self, batch: Batch) -> None:
        """Plan rows again that are due and should not be: no schedule, switched off, unreadable."""
        for _, name in batch.unfit:
            self.observe(FireRefused(trigger=name))
        await self.by_hand.plan_again([trigger_id for trigger_id, _ in batch.unfit], batch.now)

    async def _follow_clock(self) -> None:
        """Plan again what a clock set back would silence, each row once."""
        now, mark = self.clock.now(), await self.store.high_water()
        if now >= mark - TOLERATED_STEP_BACK:
            return
        try:
            planned = await self.by_hand.clock_set_back(now)
        except Conflict:  # somebody changed a schedule just now: the next sweep goes on
            return
        await self.store.lower_mark(now)
        self.decider.pacer.set_back(mark - now)
        self.floor.wake()
        self.observe(ClockSetBack(by=mark - now, planned_again=planned))

    async def _deliver_left_over(self) -> None:
        """Fan out what lost its fan-out while the store was not to be had."""
        if self.clock.monotonic() < self._left_over_at:
            return
        self._left_over_at = self.clock.monotonic() + LEFT_OVER_EVERY
        before = self.clock.now() - LEFT_OVER_AFTER
        left = await self.store.open_events(LARGEST_BATCH, before)
        if left:
            await self.fanout.deliver(left)
