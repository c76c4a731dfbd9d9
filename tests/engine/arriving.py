"""An inbox at work: deliveries of GitHub, signed by `openssl`, one after the other or together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.engine.house import House
from tests.inbound.sending import hex_of
from tinyforge.deliveries import Delivery, Receives
from tinyforge.engine.endpoints import Endpoint
from tinyforge.engine.inbox import Reception
from tinyforge.model import Trigger

SECRET = "a secret of more than enough letters for anybody"
FROM = "192.0.2.7"


def push(branch: str = "main", files: tuple[str, ...] = ("web/a",)) -> dict[str, object]:
    """Give what GitHub says of a push."""
    return {
        "ref": f"refs/heads/{branch}",
        "before": "a" * 40,
        "after": "b" * 40,
        "repository": {"full_name": "acme/site"},
        "pusher": {"name": "ada"},
        "commits": [{"id": "b" * 40, "message": "m", "added": list(files)}],
    }


def github(
    payload: Mapping[str, object],
    delivery_id: str = "d-1",
    event: str = "push",
    secret: str = SECRET,
    at: int = 0,
) -> Delivery:
    body = json.dumps(payload).encode()
    headers = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery_id,
        "x-hub-signature-256": f"sha256={hex_of(secret, body)}",
    }
    return Delivery(headers=headers, body=body, at=at)


async def endpoint_of(house: House, trigger: int, *, enabled: bool = True) -> Endpoint:
    (found,) = await house.store.inspect("trigger", [trigger])
    assert isinstance(found.row, Trigger)
    kind = house.engine.plugins.trigger(found.row.kind, found.row.config)
    assert isinstance(kind, Receives)
    return Endpoint(
        trigger=found.row, kind=kind, max_body=1 << 20, unsigned=kind.is_unsigned, enabled=enabled
    )


@asynccontextmanager
async def at_work(house: House) -> AsyncIterator[None]:
    """Let the inbox store and decide."""
    inbox = house.engine.inbox
    loops = [asyncio.create_task(inbox.run()), asyncio.create_task(inbox.decide())]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)


async def receive(house: House, endpoint: Endpoint, delivery: Delivery) -> Reception:
    return await house.engine.inbox.receive(endpoint, delivery, FROM)
