"""What came to endpoints: stored before it is answered, known again when it comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.model import DeliveryId, Event, EventId, Json, Result, TriggerId


class Fate(StrEnum):
    """What a delivery was taken as."""

    ACCEPTED = "accepted"  # an event
    IGNORED = "ignored"  # nothing that anybody could deploy on
    DISABLED = "disabled"  # its trigger was
    DUPLICATE = "duplicate"  # under an id of its own, the content of an event before
    CONFLICT = "conflict"  # an id that came before with another body


class Arrival(Struct, frozen=True, kw_only=True, gc=False):
    """A delivery that proved itself, before it is stored."""

    trigger_id: TriggerId
    fate: Fate  # accepted, ignored or disabled
    reason: str = ""
    delivery_id: str = ""  # the sender's; "": it sent none
    content: str = ""  # what it is known by beside that; "": nothing
    content_until: Moment = 0
    facts: Json = {}  # of the event that it becomes
    digest: str  # of the body: SHA-256 in hex
    size: int  # of the body as it came
    packed: bytes  # the body, zstd
    headers: str  # JSON; no value proves anything
    source: str = ""
    secret: int | None = None  # which of the trigger's proved it, from 0


class Received(Struct, frozen=True, kw_only=True, gc=False):
    """What an arrival was taken as; the row *number* stands for it."""

    number: DeliveryId
    fate: Fate
    reason: str = ""
    event_id: EventId | None = None  # the event that it is, or belongs to
    event: Event | None = None  # new, and to be fanned out
    undeployed: bool = False  # its event was decided before, and queued no run


class DeliveryFilter(Struct, frozen=True, kw_only=True):
    trigger_id: TriggerId | None = None
    fate: Fate | None = None
    before: DeliveryId | None = None  # newest first, below this id
    limit: int = 50
    among: frozenset[str] | None = None  # names of triggers; None: all


class DeliveryRow(Struct, frozen=True, kw_only=True):
    id: DeliveryId
    trigger_id: TriggerId
    received_at: Moment
    decided_at: Moment
    fate: Fate
    reason: str
    delivery_id: str
    event_id: EventId | None
    digest: str
    size: int
    source: str
    secret: int | None
    headers: str


class Brought(NamedTuple):
    """What a delivery held. *headers*: JSON, without what proved anything."""

    headers: str
    body: bytes


class Decision(Struct, frozen=True, kw_only=True):
    """What was decided of a delivery or its event before it was decided anew."""

    decided_at: Moment
    fate: Fate
    reason: str
    facts: str | None  # JSON, of an event
    results: Sequence[Result] = ()


class Inbox(Protocol):
    async def receive(self, arrivals: Sequence[Arrival], now: Moment) -> list[Received]:
        """Store what is new, with its events; say of each arrival what it was taken as.

        One that came before is known by its id, or by its content while that counts. An id that
        comes again with another body is kept as a conflict. What was ignored or disabled before is
        taken anew, and what it was taken as is kept as a decision.
        """
        ...

    async def reopen(self, event_id: EventId, facts: Json, now: Moment) -> Event | None:
        """Have an event that queued no run decided anew, by *facts*; its results are kept.

        None where a run was queued meanwhile, or where it was decided too often.
        """
        ...

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]: ...

    async def delivery(self, number: DeliveryId) -> DeliveryRow:
        """Raise NotFound."""
        ...

    async def deliveries_of(self, event_ids: Sequence[EventId]) -> dict[EventId, DeliveryId]:
        """Return the delivery that each became of; of others nothing."""
        ...

    async def brought(self, numbers: Sequence[DeliveryId]) -> dict[DeliveryId, Brought]:
        """Return what deliveries held, as it came; of some nothing, where it is kept no longer."""
        ...

    async def decisions(self, number: DeliveryId, event_id: EventId | None) -> list[Decision]:
        """Return what was decided before of a delivery and its event, oldest first."""
        ...
