"""What changes, told to whoever watches: made by this server or by another replica.

The store is looked at four times a second while somebody watches; no notice of anybody is needed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from tinyforge.clock import MINUTE, SECOND, Clock, Micros
from tinyforge.errors import StoreUnavailable
from tinyforge.ids import lowest
from tinyforge.model import TriggerId
from tinyforge.operations.callers import Caller
from tinyforge.operations.closing import Closing
from tinyforge.operations.moves import MOST_READ, News, Sighting
from tinyforge.operations.naming import read_names
from tinyforge.operations.rendering import event_view
from tinyforge.operations.roles import Reads
from tinyforge.operations.runs import Runs
from tinyforge.operations.seats import HEARTBEAT, Seats, seated
from tinyforge.operations.views import ConfigMoved, ResetView, SwitchedView
from tinyforge.store.port import Seen

LOOK_EVERY: Micros = SECOND // 4
LOOK_BACK: Micros = 5 * SECOND  # for commits that came later than their ids were made
LINGER: Micros = MINUTE  # for somebody who comes back
KEPT = 2_000  # messages, for those who are behind


class Message(Struct, frozen=True, kw_only=True):
    """*trigger* and *workload*: what it is about, where it is not about everything."""

    number: int
    name: str  # event, run, trigger, config, ready or reset
    data: Struct
    trigger: str = ""
    workload: str = ""

    def is_for(self, caller: Caller) -> bool:
        if not caller.is_narrowed or not (self.trigger or self.workload):
            return True
        return caller.sees_pair(self.trigger, self.workload)


class Watched(Reads, Protocol):
    """What the store shows to those who watch."""


@dataclass
class Live:
    reads: Watched
    runs: Runs
    seats: Seats
    closing: Closing
    clock: Clock
    stream: str  # says which server numbered the messages
    _kept: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT))
    _number: int = 0
    _sighting: Sighting | None = None
    _left_at: Micros = 0  # when the last one went
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _skipped: int = 0  # ids up to here are told as a reset

    async def run(self) -> None:
        """Look while somebody watches, until cancelled; that ends all who wait."""
        try:
            await self._look_on()
        finally:
            self.closing.close()

    async def _look_on(self) -> None:
        never = asyncio.Event()
        while True:
            await self._wanted.wait()
            if not self.seats.taken and self.clock.monotonic() - self._left_at > LINGER:
                self._forget()
                continue
            with suppress(StoreUnavailable):  # said elsewhere; the next look tells what was missed
                await self.look()
            await self.clock.wait(never, LOOK_EVERY)

    async def look(self) -> None:
        """Tell what is new since the last look."""
        async with self._looking:
            sighting = self._sighting = self._sighting or Sighting()
            now = self.clock.now()
            floor = max(lowest(now - LOOK_BACK), self._skipped)
            seen = Seen(since=floor, watched=sighting.watched, limit=MOST_READ)
            news = sighting.take(await self.reads.moves(seen), floor)
            if news.too_many:
                self._skipped = lowest(now)
                self._tell([("reset", ResetView(why="more changed at once than is told"), "", "")])
            else:
                self._tell([*await self._of_rows(news), *await self._of_config(news)])

    async def open(self, caller: Caller, last_id: str | None) -> AsyncIterator[Message | None]:
        """Follow what changes after *last_id*, or from now on; None now and then: nothing did.

        `ready` says where it begins, `reset` that something is missing before it. Crowded.
        """
        return await seated(self._follow(caller, last_id))

    async def _follow(self, caller: Caller, last_id: str | None) -> AsyncIterator[Message | None]:
        with self.seats.take():
            yield None
            if self._sighting is None:
                await self.look()
            self._wanted.set()
            try:
                place = self._number
                if last_id is None:
                    yield self._note("ready", "this is where it begins")
                elif (known := self._known(last_id)) is None:
                    yield self._note("reset", "that id is too old, or of another server")
                else:
                    place = known
                async for message in self._from(place, caller):
                    yield message
            finally:
                self._left_at = self.clock.monotonic()

    async def _from(self, place: int, caller: Caller) -> AsyncIterator[Message | None]:
        while not self.closing.is_closed:
            if place < self._number - len(self._kept):
                place = self._number
                yield self._note("reset", "the messages came faster than they were read")
            for message in self._after(place):
                place = message.number
                if message.is_for(caller):
                    yield message
            if place == self._number:
                await self.closing.rest(HEARTBEAT)
                if place == self._number and not self.closing.is_closed:
                    yield None

    def id_of(self, message: Message) -> str:
        return f"{self.stream}-{message.number}"

    def _after(self, place: int) -> list[Message]:
        behind = self._number - place
        return list(self._kept)[-behind:] if behind > 0 else []

    def _known(self, last_id: str) -> int | None:
        """Return the place behind *last_id*; None where what follows it is no longer known."""
        stream, _, number = last_id.rpartition("-")
        if stream != self.stream or not number.isdecimal() or len(number) > len(str(2**62)):
            return None
        place = int(number)
        return place if self._number - len(self._kept) <= place <= self._number else None

    def _note(self, name: str, why: str) -> Message:
        return Message(number=self._number, name=name, data=ResetView(why=why))

    def _tell(self, messages: Iterable[tuple[str, Struct, str, str]]) -> None:
        before = self._number
        for name, data, trigger, workload in messages:
            self._number += 1
            self._kept.append(
                Message(
                    number=self._number, name=name, data=data, trigger=trigger, workload=workload
                )
            )
        if self._number > before:
            self.closing.stir()

    async def _of_rows(self, news: News) -> list[tuple[str, Struct, str, str]]:
        names = await read_names(self.reads, triggers=(one.trigger_id for one in news.events))
        events = [(names.trigger(one.trigger_id), one) for one in news.events]
        told: list[tuple[str, Struct, str, str]] = [
            ("event", event_view(event, trigger), trigger, "") for trigger, event in events
        ]
        if news.runs:
            runs = await self.runs.views(await self.reads.runs_by_id(news.runs))
            told += [("run", view, view.trigger, view.workload) for view in runs]
        return told

    async def _of_config(self, news: News) -> list[tuple[str, Struct, str, str]]:
        if news.generation is None and not (news.paused or news.resumed):
            return []
        switched = {TriggerId(one): True for one in news.paused}
        switched |= {TriggerId(one): False for one in news.resumed}
        names = await read_names(self.reads, triggers=switched)
        told: list[tuple[str, Struct, str, str]] = [
            ("trigger", SwitchedView(trigger=name, paused=is_paused), name, "")
            for one, is_paused in switched.items()
            if (name := names.trigger(one))
        ]
        for what in ("trigger", "workload", "binding"):
            ids = [one.row_id for one in news.revised if one.what == what]
            found = await self.reads.names(what, sorted(set(ids))) if ids else {}
            told += [
                ("config", ConfigMoved(what=what, name=name), *_about(what, name))
                for name in sorted(found.values())
            ]
        if news.generation is not None and not news.revised:
            told.append(("config", ConfigMoved(), "", ""))
        return told

    def _forget(self) -> None:
        """Stop looking; whoever comes back later is told that something is missing."""
        self._sighting = None
        self._kept.clear()
        self._number += 1
        self._wanted.clear()


def _about(what: str, name: str) -> tuple[str, str]:
    """Return whose it is; a binding, whose ends its name hides, is for those who see everything."""
    if what == "binding":
        return "", f"binding {name}"  # no workload has such a name
    return (name, "") if what == "trigger" else ("", name)
