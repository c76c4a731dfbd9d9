"""The door for deliveries, raw ASGI in front of everything else: `POST /hooks/…`.

What is not for an endpoint goes on to the app behind it. No path below `/hooks/` is ever shown:
that of an unsigned endpoint is a secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from traceback import format_exception
from typing import Protocol, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from tinyforge.clock import Clock
from tinyforge.deliveries import Delivery
from tinyforge.engine.endpoints import Endpoint
from tinyforge.engine.inbox import Reception
from tinyforge.errors import StoreUnavailable
from tinyforge.observe.events import DeliveryTurnedAway, Observe, RequestFailed
from tinyforge.web.allowance import Allowance
from tinyforge.web.bodies import Bodies, Body, Gone, TooLarge, TooMany, drop
from tinyforge.web.client_address import Networks, client_address
from tinyforge.web.replies import (
    BUG,
    ENCODED,
    NOT_POST,
    UNKNOWN,
    Reply,
    later,
    told,
    too_large,
    too_often,
)

DOOR = "/hooks"


class Why(StrEnum):
    """What a request that ends at the door is counted under."""

    METHOD = "method"
    UNKNOWN = "unknown"
    ENCODING = "encoding"
    BODIES = "bodies"
    RATE = "rate"
    STORE = "store"
    STOP = "stop"


class Finds(Protocol):
    async def find(self, path_id: str) -> Endpoint | None: ...


class Receives(Protocol):
    async def receive(self, endpoint: Endpoint, delivery: Delivery, source: str) -> Reception: ...

    def too_large(self, endpoint: Endpoint, size: int, source: str) -> None: ...


class Turned(Exception):
    """A request that ends at the door. Without *why*: the inbox was told, and counts it."""

    def __init__(self, why: Why | None, reply: Reply) -> None:
        super().__init__(why)
        self.why = why
        self.reply = reply


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Order: method, endpoint, allowance, raw body; then the inbox has it."""

    app: ASGIApp
    endpoints: Finds
    inbox: Receives
    allowance: Allowance
    clock: Clock
    observe: Observe
    trusted: Networks = ()
    bodies: Bodies = field(default_factory=Bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not (path.startswith(f"{DOOR}/") or path == DOOR):
            await self.app(scope, receive, send)
            return
        asked = cast("HTTPScope", scope)
        try:
            reply = await self._reply(asked, receive)
        except Gone:
            return
        await reply.send(send, is_head=asked["method"] == "HEAD")

    async def _reply(self, scope: HTTPScope, receive: Receive) -> Reply:
        """Return the answer to whatever comes; Gone where nobody is left to hear it."""
        try:
            return await self._answer(scope, receive)
        except Gone:
            raise
        except Turned as turned:
            why: Why | None = turned.why
            reply = turned.reply
        except StoreUnavailable:
            why, reply = Why.STORE, later("this cannot be stored just now")
        except asyncio.CancelledError:
            why, reply = Why.STOP, later("the server stops: it may have stored this, or not")
        except Exception as bug:  # noqa: BLE001 - its sender is told no more than that it is ours
            stack = "".join(format_exception(bug))
            self.observe(RequestFailed(method=scope["method"], path=f"{DOOR}/…", stack=stack))
            return BUG
        if why is not None:
            self.observe(DeliveryTurnedAway(why=why))
        return reply

    async def _answer(self, scope: HTTPScope, receive: Receive) -> Reply:
        headers = _headers(scope)
        try:
            endpoint = await self._endpoint(scope, headers)
        except Turned as turned:
            if "expect" in headers:  # the body comes only if it is asked for
                raise Turned(turned.why, turned.reply._replace(goes_on=False)) from None
            await drop(receive)
            raise
        with self.bodies.one() as body:
            raw = await self._read(body, endpoint, scope, receive)
            delivery = Delivery(headers=headers, body=raw, at=self.clock.now())
            return await self._take(endpoint, delivery, client_address(scope, self.trusted))

    async def _endpoint(self, scope: HTTPScope, headers: Mapping[str, str]) -> Endpoint:
        """Return where this is to go; raise Turned where nothing is to be read of it."""
        if scope["method"] != "POST":
            raise Turned(Why.METHOD, NOT_POST)
        endpoint = await self.endpoints.find(scope["path"].removeprefix(DOOR).removeprefix("/"))
        if endpoint is None:
            raise Turned(Why.UNKNOWN, UNKNOWN)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Turned(Why.ENCODING, ENCODED)
        if wait := self.allowance.wait(endpoint.trigger.id, self.clock.monotonic()):
            raise Turned(Why.RATE, too_often(wait))
        return endpoint

    async def _read(
        self, body: Body, endpoint: Endpoint, scope: HTTPScope, receive: Receive
    ) -> bytes:
        try:
            return await body.read(scope, receive, endpoint.max_body)
        except TooLarge as large:
            self.inbox.too_large(endpoint, large.size, client_address(scope, self.trusted))
            reply = too_large(endpoint.max_body, was_read=large.was_read)
            raise Turned(None, reply) from None
        except TooMany as many:
            reply = later("too many deliveries are being read", goes_on=many.was_read)
            raise Turned(Why.BODIES, reply) from None

    async def _take(self, endpoint: Endpoint, delivery: Delivery, source: str) -> Reply:
        """Have the inbox decide. What does not count uses up nothing of the allowance.

        For whoever proves nothing must not use up that of those who do, whatever he is told.
        """
        trigger = endpoint.trigger.id
        self.allowance.spend(trigger, self.clock.monotonic())
        reception = await self.inbox.receive(endpoint, delivery, source)
        if not reception.counts:
            self.allowance.give_back(trigger)
        return told(reception)


def _headers(scope: HTTPScope) -> Mapping[str, str]:
    """Return the headers by name. One that came twice fits no signature: its values are joined."""
    found: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found
