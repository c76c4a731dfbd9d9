"""The room for runs: what is leased and waits for a worker, and how much more may come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from tinyforge.store.port import Places, TakenRun

AHEAD = 4_000  # runs of idempotent kinds leased before a worker is free


@dataclass
class Floor:
    """*concurrency* runs at once; *ahead* more may be leased if they may run twice."""

    concurrency: int
    ahead: int = AHEAD
    closed: bool = False  # no new leases: the server stops
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: deque[TakenRun] = field(default_factory=deque)  # leased, not prepared yet
    held: int = 0  # leased and not over
    _reserved: int = 0

    def reserve(self, wanted: int) -> int:
        """Return how many runs may be born running, and keep that room."""
        if self.closed:
            return 0
        room = self.concurrency + self.ahead - self.held - self._reserved
        granted = max(0, min(wanted, room))
        self._reserved += granted
        return granted

    def begin(self, taken: Sequence[TakenRun], reserved: int) -> None:
        """Take these over, and give the room reserved for them back."""
        self._reserved -= reserved
        if taken:
            self.held += len(taken)
            self.arrived.extend(taken)
            self.changed.set()

    def offer(self, leaving: int) -> Places:
        """Let *leaving* runs go, and return how many may be taken instead; that room is kept."""
        self.held -= leaving
        if self.closed:
            return Places(0, 0)
        room = self.concurrency + self.ahead - self.held - self._reserved
        free = max(0, min(room, self.concurrency - self.held))
        ahead = max(0, room - free)
        self._reserved += free + ahead
        return Places(free, ahead)

    def withdraw(self, places: Places, leaving: int) -> None:
        """Take an offer back: the runs are not over yet, as far as the store knows."""
        self.held += leaving
        self._reserved -= places.free + places.ahead

    def wake(self) -> None:
        """Look at the queue: something was added."""
        self.changed.set()
