"""Waiting that ends when the server does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tinyforge.clock import Clock, Micros


@dataclass
class Closing:
    """Who waits here, and whether the server ends."""

    clock: Clock
    is_closed: bool = False
    _waiting: set[asyncio.Event] = field(default_factory=set)

    def close(self) -> None:
        self.is_closed = True
        self.stir()

    def stir(self) -> None:
        """Wake everybody who waits."""
        for signal in self._waiting:
            signal.set()

    async def rest(self, at_most: Micros) -> None:
        """Return when stirred, when the server ends, or when *at_most* has gone by."""
        if self.is_closed:
            return
        signal = asyncio.Event()
        self._waiting.add(signal)
        try:
            await self.clock.wait(signal, at_most)
        finally:
            self._waiting.discard(signal)
