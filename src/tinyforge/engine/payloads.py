"""What the deliveries of events held, for the rules that look into it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import msgspec
from msgspec.structs import replace

from tinyforge.deliveries import Delivery, Refused
from tinyforge.ids import read
from tinyforge.inbound.body import json_or_form_of
from tinyforge.model import DeliveryId, Event, TriggerId
from tinyforge.store.port import Brought, Inbox

PAYLOAD = "payload"  # in a rule, and in the facts that the rule sees
REPLAY_OF = "replay_of"  # in the facts of an event that somebody had made of an older delivery
LARGE = 256 * 1024  # bytes that are read beside everything else


async def with_payloads(
    store: Inbox, events: Sequence[Event], triggers: Collection[TriggerId]
) -> list[Event]:
    """Return *events*, those of *triggers* with the payload of the delivery that they came with."""
    wanting = [one for one in events if one.trigger_id in triggers and _lacks_payload(one)]
    if not wanting:
        return list(events)
    came_with = dict(await store.deliveries_of([one.id for one in wanting]))
    came_with |= {one.id: number for one in wanting if (number := _replayed(one)) is not None}
    bodies = await store.brought(sorted(set(came_with.values())))
    payloads = {number: await payload_of(brought) for number, brought in bodies.items()}
    found = {event: payloads[number] for event, number in came_with.items() if number in payloads}
    return [
        replace(one, facts={**one.facts, PAYLOAD: found[one.id]}) if one.id in found else one
        for one in events
    ]


async def payload_of(brought: Brought) -> object:
    """Return the JSON that a delivery held; nothing in it, where it is none."""
    if len(brought.body) > LARGE:
        return await asyncio.to_thread(_parsed, brought)
    return _parsed(brought)


def _parsed(brought: Brought) -> object:
    headers = msgspec.json.decode(brought.headers, type=dict[str, str])
    found = json_or_form_of(Delivery(headers=headers, body=brought.body, at=0))
    return {} if isinstance(found, Refused) else found


def _lacks_payload(event: Event) -> bool:
    return "changes" in event.facts and PAYLOAD not in event.facts


def _replayed(event: Event) -> DeliveryId | None:
    written = event.facts.get(REPLAY_OF)
    return DeliveryId(read("dlv", written)) if isinstance(written, str) else None
