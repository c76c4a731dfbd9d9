"""Everything that happens enters here, one by one; a tick brings its windows in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from tinyforge.clock import Clock
from tinyforge.engine.fanout import FanOut
from tinyforge.model import Event, EventDraft, EventId, Result
from tinyforge.observe.events import EventsAccepted
from tinyforge.store.port import AuditEntry


class Receipt(Struct, frozen=True, kw_only=True):
    event: Event | None  # None: nothing new
    results: Sequence[Result]
    reason: str


@dataclass(frozen=True)
class Intake:
    fanout: FanOut
    clock: Clock

    async def fire(self, draft: EventDraft, entry: AuditEntry | None = None) -> Receipt:
        """Store an event with its *entry* of the audit, then fan it out.

        A crash in between loses nothing.
        """
        event = await self._accept(draft, entry)
        if event is None:
            return Receipt(event=None, results=(), reason="already accepted")
        self.fanout.observe(EventsAccepted(events=[event.id]))
        (results,) = await self.fanout.deliver([event])
        return Receipt(event=event, results=results, reason="accepted")

    async def _accept(self, draft: EventDraft, entry: AuditEntry | None) -> Event | None:
        store, now = self.fanout.store, self.clock.now()
        if entry is not None:
            return await store.accept_noted(draft, entry, now)
        (event,) = await store.accept([draft], now)
        return event

    async def rehearse(self, draft: EventDraft) -> list[Result]:
        """Say what `fire` would give, and store nothing."""
        event = Event(
            id=EventId(0),
            trigger_id=draft.trigger_id,
            accepted_at=self.clock.now(),
            facts=draft.facts,
            ruleless=draft.ruleless,
        )
        return await self.fanout.rehearse(event)
