"""A run's log as it grows, to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from msgspec import Struct

from tinyforge.clock import SECOND, Clock, Micros
from tinyforge.operations.callers import Caller
from tinyforge.operations.closing import Closing
from tinyforge.operations.runs import Runs
from tinyforge.operations.seats import HEARTBEAT, Seats, seated
from tinyforge.operations.views import LogEndView, ResetView

SHORTEST, LONGEST = SECOND // 20, SECOND  # between two looks at a log that has not grown
START = -1  # before the first chunk


class Part(Struct, frozen=True, kw_only=True):
    """*number*: of the chunk; None: it is none of the log's."""

    name: str  # chunk, end or reset
    data: Struct
    number: int | None = None


@dataclass(frozen=True)
class Tail:
    runs: Runs
    seats: Seats
    closing: Closing
    clock: Clock

    async def open(
        self, caller: Caller, run_id: str, last: int | None
    ) -> AsyncIterator[Part | None]:
        """Follow the chunks after *last*, then `end`; None now and then: there is nothing new.

        A chunk *last* that is gone gives `reset`, and then the log from its start. NotFound,
        Crowded.
        """
        await self.runs.show(run_id, caller)
        return await seated(self._follow(caller, run_id, last))

    async def _follow(
        self, caller: Caller, run_id: str, last: int | None
    ) -> AsyncIterator[Part | None]:
        with self.seats.take():
            yield None
            after = START if last is None else last
            if last is not None and not await self._has(caller, run_id, last):
                after = START
                yield Part(name="reset", data=ResetView(why="that part of the log is gone"))
            async for part in self._from(caller, run_id, after):
                yield part

    async def _has(self, caller: Caller, run_id: str, seq: int) -> bool:
        chunks = (await self.runs.log(run_id, caller, seq - 1)).chunks
        return bool(chunks) and chunks[0].seq == seq

    async def _from(self, caller: Caller, run_id: str, after: int) -> AsyncIterator[Part | None]:
        pause, silent_since = SHORTEST, self.clock.monotonic()
        while not self.closing.is_closed:
            view = await self.runs.log(run_id, caller, after)
            for chunk in view.chunks:
                after = chunk.seq
                yield Part(name="chunk", data=chunk, number=chunk.seq)
            if view.over:
                yield Part(name="end", data=LogEndView(state=view.state))
                return
            if view.chunks:
                pause, silent_since = SHORTEST, self.clock.monotonic()
                continue
            if self.clock.monotonic() - silent_since >= HEARTBEAT:
                silent_since = self.clock.monotonic()
                yield None
            await self._rest(pause)
            pause = min(LONGEST, pause * 3 // 2)

    async def _rest(self, at_most: Micros) -> None:
        await self.closing.rest(at_most)
