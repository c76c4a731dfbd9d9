"""Time that moves only when a test says so. Set back, it is a wall clock that somebody mended."""

from __future__ import annotations

import asyncio

from tinyforge.clock import Micros, Moment

NEW_YEAR_2026: Moment = 1_767_225_600_000_000


class MovableClock:
    """Monotonic readings follow moves forward; the wall clock may also be set."""

    def __init__(self, now: Moment = NEW_YEAR_2026) -> None:
        self._now = now
        self._monotonic: Micros = 0
        self._waiting: list[tuple[Micros, asyncio.Event]] = []
        self._came = asyncio.Event()

    def now(self) -> Moment:
        return self._now

    def monotonic(self) -> Micros:
        return self._monotonic

    async def wait(self, signal: asyncio.Event, at_most: Micros) -> None:
        if at_most <= 0 or signal.is_set():
            await asyncio.sleep(0)
        else:
            await self._wait((self._monotonic + at_most, signal))
        signal.clear()

    async def _wait(self, waiter: tuple[Micros, asyncio.Event]) -> None:
        self._waiting.append(waiter)
        self._came.set()
        try:
            await waiter[1].wait()
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    async def waited_for(self, times: int = 1) -> None:
        """Return when so many wait for time to go by."""
        while len(self._waiting) < times:
            self._came.clear()
            await self._came.wait()

    def move(self, by: Micros) -> None:
        """Let time go by; those who waited for less go on."""
        self._now += by
        self._monotonic += by
        over = [waiter for waiter in self._waiting if waiter[0] <= self._monotonic]
        for waiter in over:
            self._waiting.remove(waiter)
            waiter[1].set()

    def set(self, now: Moment) -> None:
        """Set the wall clock, back or forward, as an administrator would."""
        self._now = now
