"""What came to endpoints: list it, look into it, make an event of it once more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tinyforge.deliveries import Accepted, Delivery, Ignored, Receives, Refused
from tinyforge.engine.facts import facts_of
from tinyforge.engine.payloads import REPLAY_OF
from tinyforge.errors import InvalidConfig, NotFound, UnknownKind
from tinyforge.errors import Refused as NotDone
from tinyforge.ids import show
from tinyforge.model import DeliveryId, Event, EventDraft, Json, Trigger, TriggerId
from tinyforge.observe.events import DeliveryReplayed, Observe
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.delivered import DeliveryDetail, DeliveryView, EarlierView
from tinyforge.operations.events import Events
from tinyforge.operations.naming import read_names
from tinyforge.operations.refusals import id_of
from tinyforge.operations.rendering import at_text
from tinyforge.operations.roles import Fires, Queues
from tinyforge.operations.views import EventDetail, FireView, Page
from tinyforge.plugins import Plugins
from tinyforge.store.port import Decision, DeliveryFilter, DeliveryRow, Fate, Inbox

TAKEN = tuple(fate.value for fate in Fate)
MOST_SHOWN = 1024 * 1024  # bytes of a body
LARGE = 256 * 1024  # bytes of a body that is read beside everything else


class Store(Queues, Inbox, Protocol):
    """The roles that this room needs."""


@dataclass(frozen=True)
class Deliveries:
    reads: Store
    fires: Fires
    events: Events
    plugins: Plugins
    observe: Observe
    auditor: Auditor

    async def find(
        self,
        caller: Caller,
        trigger: str | None = None,
        taken: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Page[DeliveryView]:
        """Return deliveries that the caller sees, newest first."""
        if trigger:
            caller.must_see_trigger(trigger)
        wanted = DeliveryFilter(
            trigger_id=(await self.reads.trigger_named(trigger))[0].id if trigger else None,
            fate=None if taken is None else Fate(taken),
            before=DeliveryId(id_of("delivery", before)) if before else None,
            limit=limit,
            among=caller.triggers,
        )
        found = await self.reads.deliveries(wanted)
        names = await read_names(self.reads, triggers=(row.trigger_id for row in found))
        return Page(
            items=[_view(row, names.trigger(row.trigger_id)) for row in found],
            next=show("dlv", found[-1].id) if len(found) == limit else None,
        )

    async def show(self, delivery_id: str, caller: Caller) -> DeliveryDetail:
        """Return everything that is kept of a delivery, and all that was decided of it."""
        row, trigger = await self._seen(delivery_id, caller)
        brought = (await self.reads.brought([row.id])).get(row.id)
        body = None if brought is None else brought.body
        event = await self._event(row)
        return DeliveryDetail(
            delivery=_view(row, trigger),
            proof=_proof(row),
            digest=row.digest,
            headers=msgspec.json.decode(row.headers, type=dict[str, str]),
            body=None if body is None else body[:MOST_SHOWN].decode(errors="replace"),
            body_cut=body is not None and len(body) > MOST_SHOWN,
            event=event,
            earlier=await self._earlier(row),
            next_command=command("delivery", "replay", show("dlv", row.id), "--what-if"),
        )

    async def body(self, delivery_id: str, caller: Caller) -> bytes:
        """Return the body as it came."""
        row, _ = await self._seen(delivery_id, caller)
        return await self._body(row)

    async def replay(self, delivery_id: str, caller: Caller) -> FireView:
        """Make a new event of a delivery, as its trigger reads it today, and fan that out."""
        trigger, draft = await self._draft(delivery_id, caller)
        entry = self.auditor.entry(caller, "replay_delivery", delivery_id)
        receipt = await self.fires.fire(draft, entry)
        event = receipt.event
        if event is None:
            raise NotDone(f"{delivery_id} was not replayed: {receipt.reason}", _list(trigger.name))
        shown = show("evt", event.id)
        self.observe(
            DeliveryReplayed(
                trigger=trigger.name, kind=trigger.kind, event_id=event.id, actor=caller.actor
            )
        )
        return FireView(
            trigger=trigger.name,
            event=shown,
            results=await self.events.results(event, receipt.results),
            rules_applied=True,
            next_command=command("event", "show", shown),
        )

    async def rehearse(self, delivery_id: str, caller: Caller) -> FireView:
        """Say what a replay would give, and store nothing."""
        trigger, draft = await self._draft(delivery_id, caller)
        results = await self.events.rehearsed(trigger.id, await self.fires.rehearse(draft))
        return FireView(
            trigger=trigger.name,
            event=None,
            results=results,
            rules_applied=True,
            dry_run=True,
            next_command=command("delivery", "replay", delivery_id),
        )

    async def _seen(self, delivery_id: str, caller: Caller) -> tuple[DeliveryRow, str]:
        """Return a delivery and its trigger's name; NotFound where the caller may not see that."""
        row = await self.reads.delivery(DeliveryId(id_of("delivery", delivery_id)))
        name = (await read_names(self.reads, triggers=[row.trigger_id])).trigger(row.trigger_id)
        if not caller.sees_trigger(name):
            raise NotFound("delivery", delivery_id)
        return row, name

    async def _event(self, row: DeliveryRow) -> EventDetail | None:
        if row.event_id is None:
            return None
        found = await self.reads.events_by_id([row.event_id])
        event: Event | None = found.get(row.event_id)
        return None if event is None else await self.events.detail(event)

    async def _earlier(self, row: DeliveryRow) -> list[EarlierView]:
        decisions = await self.reads.decisions(row.id, row.event_id)
        return [await self._earlier_view(row.trigger_id, one) for one in decisions]

    async def _earlier_view(self, trigger_id: TriggerId, decision: Decision) -> EarlierView:
        return EarlierView(
            decided_at=at_text(decision.decided_at) or "",
            taken=decision.fate.value,
            reason=decision.reason,
            results=await self.events.rehearsed(trigger_id, decision.results),
        )

    async def _draft(self, delivery_id: str, caller: Caller) -> tuple[Trigger, EventDraft]:
        row, name = await self._seen(delivery_id, caller)
        trigger, _ = await self.reads.trigger_named(name)
        if trigger.id != row.trigger_id:
            raise NotFound("trigger", name)
        body = await self._body(row)
        headers = msgspec.json.decode(row.headers, type=dict[str, str])
        delivery = Delivery(headers=headers, body=body, at=row.received_at)
        kind = self._kind(trigger)
        if len(body) > LARGE:
            facts = await asyncio.to_thread(_facts, kind, trigger, delivery)
        else:
            facts = _facts(kind, trigger, delivery)
        replayed = {**facts, "origin": "replay", REPLAY_OF: show("dlv", row.id)}
        return trigger, EventDraft(trigger_id=trigger.id, facts=replayed, actor=caller.actor)

    async def _body(self, row: DeliveryRow) -> bytes:
        brought = (await self.reads.brought([row.id])).get(row.id)
        if brought is None:
            raise NotDone(
                f"the body of {show('dlv', row.id)} is kept no longer",
                "have the sender send it again, or raise TINYFORGE_KEEP_BODIES for others",
            )
        return brought.body

    def _kind(self, trigger: Trigger) -> Receives:
        try:
            kind = self.plugins.trigger(trigger.kind, trigger.config)
        except (InvalidConfig, UnknownKind) as problem:
            raise NotDone(f"{trigger.name} is broken: {problem}", "tinyforge doctor") from None
        if not isinstance(kind, Receives):
            other = f"{trigger.name} is of kind {trigger.kind} by now, which reads no deliveries"
            raise NotDone(other, command("trigger", "show", trigger.name))
        return kind


def _facts(kind: Receives, trigger: Trigger, delivery: Delivery) -> Json:
    """Read a delivery as its trigger does today."""
    try:
        found: Accepted | Ignored | Refused = kind.read(delivery)
    except Exception as bug:
        problem = f"{trigger.kind} has a bug: {type(bug).__name__}: {bug}"
        raise NotDone(problem, "tinyforge doctor") from bug
    if not isinstance(found, Accepted):
        problem = f"it is nothing to deploy on: {found.because}"
        raise NotDone(problem, command("trigger", "show", trigger.name))
    facts = facts_of(found.changes)
    if facts is None:
        problem = "its changes are larger than 256 KiB of JSON"
        raise NotDone(problem, command("trigger", "show", trigger.name))
    return facts


def _view(row: DeliveryRow, trigger: str) -> DeliveryView:
    return DeliveryView(
        id=show("dlv", row.id),
        trigger=trigger,
        received_at=at_text(row.received_at) or "",
        taken=row.fate.value,
        reason=row.reason,
        sender_id=row.delivery_id,
        event=None if row.event_id is None else show("evt", row.event_id),
        size=row.size,
        source=row.source,
    )


PROOFS: Sequence[str] = ("by the trigger's first secret", "by the trigger's second secret")


def _proof(row: DeliveryRow) -> str:
    if row.secret is None:
        return "by nothing but the secret URL"
    return PROOFS[row.secret] if row.secret < len(PROOFS) else f"by secret {row.secret + 1}"


def _list(trigger: str) -> str:
    return command("delivery", "list", "--trigger", trigger)
