"""Waiting for what a fire has begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from tinyforge.clock import MINUTE, SECOND, Clock, Micros
from tinyforge.ids import read
from tinyforge.model import EventId
from tinyforge.operations.closing import Closing
from tinyforge.operations.events import Events
from tinyforge.operations.views import FireView
from tinyforge.store.port import History, RunFilter

LONGEST_WAIT: Micros = 15 * MINUTE
SHORTEST, LONGEST = SECOND // 20, SECOND  # between two looks
MOST_RUNS = 100_000


class Looks(History, Protocol):
    """Where events and runs are read."""


@dataclass(frozen=True)
class Waiting:
    reads: Looks
    events: Events
    closing: Closing
    clock: Clock

    async def until_over(self, fired: FireView, patience: Micros) -> FireView:
        """Return the fire once all its runs are over, the time is, or the server ends."""
        if fired.event is None:
            return fired
        event_id = EventId(read("evt", fired.event))
        ends = self.clock.monotonic() + min(patience, LONGEST_WAIT)
        pause = SHORTEST
        while not await self._is_over(event_id):
            left = ends - self.clock.monotonic()
            if left <= 0 or self.closing.is_closed:
                return await self._seen(fired, event_id, over=False)
            await self.closing.rest(min(pause, left))
            pause = min(LONGEST, pause * 3 // 2)
        return await self._seen(fired, event_id, over=True)

    async def _is_over(self, event_id: EventId) -> bool:
        if (await self.reads.event(event_id)).fanned_at is None:
            return False
        runs = await self.reads.runs(RunFilter(event_id=event_id, limit=MOST_RUNS))
        return all(run.state.is_over for run in runs)

    async def _seen(self, fired: FireView, event_id: EventId, *, over: bool) -> FireView:
        event = await self.reads.event(event_id)
        results = (await self.reads.results([event_id])).get(event_id, [])
        return replace(fired, results=await self.events.results(event, results), over=over)
