"""The slow work beside the rest: checkpoints, what is kept no longer, counts, checks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Clock, Micros
from tinyforge.errors import StoreUnavailable
from tinyforge.observe.events import FileDamaged, HistorySwept, Observe
from tinyforge.store.port import Counts, Limits, Replica, Replicas, Strain, Upkeep

CHECKPOINT_EVERY: Micros = SECOND // 2
COUNT_EVERY: Micros = 15 * SECOND
SEE_EVERY: Micros = MINUTE
SWEEP_EVERY: Micros = HOUR
CHECK_EVERY: Micros = DAY
BETWEEN_BATCHES: Micros = SECOND // 5


class Kept(Upkeep, Replicas, Protocol):
    """The roles that this room needs."""


@dataclass
class Janitor:
    store: Kept
    clock: Clock
    observe: Observe
    limits: Limits
    counted: Callable[[Counts], None]
    seen: Callable[[Sequence[Replica], Strain], None]
    _never: asyncio.Event = field(default_factory=asyncio.Event)
    _next: dict[str, Micros] = field(default_factory=dict)

    async def run(self) -> None:
        """Do each chore when its turn comes, until cancelled."""
        while True:
            await self.step()
            await self.clock.wait(self._never, CHECKPOINT_EVERY)

    async def step(self) -> None:
        """Do the chores whose turn it is."""
        try:
            await self.store.checkpoint()
            if self._is_turn_of("count", COUNT_EVERY):
                self.counted(await self.store.counts())
            if self._is_turn_of("see", SEE_EVERY):
                self.seen(await self.store.replicas(), await self.store.strain())
            if self._is_turn_of("sweep", SWEEP_EVERY, first=MINUTE):
                await self.sweep()
            if self._is_turn_of("check", CHECK_EVERY, first=HOUR):
                await self._check()
        except StoreUnavailable:
            return  # said by the ticker, which asks more often

    async def sweep(self) -> None:
        """Delete, batch by batch, what is kept no longer."""
        events = runs = log_bytes = deliveries = body_bytes = 0
        while True:
            swept = await self.store.sweep_history(self.limits, self.clock.now())
            events += swept.events
            runs += swept.runs
            log_bytes += swept.log_bytes
            deliveries += swept.deliveries
            body_bytes += swept.body_bytes
            if not swept.more:
                break
            await self.clock.wait(self._never, BETWEEN_BATCHES)
        if events or log_bytes or deliveries or body_bytes:
            self.observe(
                HistorySwept(
                    events=events,
                    runs=runs,
                    log_bytes=log_bytes,
                    deliveries=deliveries,
                    body_bytes=body_bytes,
                )
            )

    async def _check(self) -> None:
        for problem in await self.store.check():
            self.observe(FileDamaged(problem=problem))

    def _is_turn_of(self, chore: str, every: Micros, first: Micros = 0) -> bool:
        now = self.clock.monotonic()
        if now < self._next.setdefault(chore, now + first):
            return False
        self._next[chore] = now + every
        return True
