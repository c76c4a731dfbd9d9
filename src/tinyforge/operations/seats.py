"""How many may watch at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tinyforge.clock import SECOND, Micros
from tinyforge.errors import Crowded, Refused

MOST_STREAMS = 100
HEARTBEAT: Micros = 15 * SECOND
T = TypeVar("T")


@dataclass
class Seats:
    is_live: bool  # False: a file is read, and nothing in it will change
    taken: int = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Raise Crowded where there are as many streams as there may be."""
        if not self.is_live:
            raise Refused("no server is running, so nothing changes", "tinyforge serve")
        if self.taken >= MOST_STREAMS:
            raise Crowded(
                f"{MOST_STREAMS} streams are open, and no more are served",
                "close one, or ask another replica",
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


async def seated(stream: AsyncIterator[T | None]) -> AsyncIterator[T | None]:
    """Return *stream* when it has taken its seat, of which its first None tells.

    Python ends a generator that has begun and is read no more, which frees its seat.
    """
    await anext(stream)
    return stream
