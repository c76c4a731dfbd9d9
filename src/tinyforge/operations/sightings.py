"""How this server sees a call that was announced to it: what `doctor --url` asks.

An announced call carries a mark. Marks are kept in this process, few and not for long.
"""

from __future__ import annotations

from collections import OrderedDict
from secrets import token_urlsafe
from typing import Final

from msgspec import Struct

from tinyforge.clock import MINUTE, Clock, Micros, Moment
from tinyforge.errors import NotFound
from tinyforge.operations.views import View

MOST: Final = 100  # marks at once; the oldest goes first
KEPT: Final[Micros] = MINUTE


class Sighting(Struct, frozen=True, kw_only=True):
    """*peer* is at the other end of the connection, *source* the client as far as is trusted."""

    peer: str
    source: str
    is_trusted: bool  # the peer is a proxy whose word counts
    is_forwarded: bool  # somebody said with the call whom it is from


class SightingView(View, frozen=True, kw_only=True):
    mark: str
    is_seen: bool = False
    peer: str = ""
    source: str = ""
    is_trusted: bool = False
    is_forwarded: bool = False


class Sightings:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[Moment, Sighting | None]] = OrderedDict()

    def announce(self) -> SightingView:
        """Return a mark; a call that carries it within a minute is noted."""
        mark = token_urlsafe()
        self._kept[mark] = (self._clock.now() + KEPT, None)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return SightingView(mark=mark)

    def note(self, mark: str, sighting: Sighting) -> None:
        """Keep the first call with *mark*; one that was not announced leaves nothing."""
        until, seen = self._kept.get(mark, (0, None))
        if seen is None and self._clock.now() < until:
            self._kept[mark] = (until, sighting)

    def show(self, mark: str) -> SightingView:
        """Raise NotFound where nobody announced it, or that was long ago."""
        until, seen = self._kept.get(mark, (0, None))
        if self._clock.now() >= until:
            raise NotFound("mark", mark)
        if seen is None:
            return SightingView(mark=mark)
        return SightingView(
            mark=mark,
            is_seen=True,
            peer=seen.peer,
            source=seen.source,
            is_trusted=seen.is_trusted,
            is_forwarded=seen.is_forwarded,
        )
