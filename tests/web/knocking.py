"""Calls from elsewhere, with a token or without, on a whole house and without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import msgspec
from litestar import Litestar
from litestar.types import HTTPReceiveMessage, HTTPScope, Message

from tests.operations.house import ME, House
from tinyforge.observe.events import Happening
from tinyforge.operations.callers import Permission
from tinyforge.operations.credentials import TokenRequest
from tinyforge.operations.views import Problem
from tinyforge.web.access import Keeper
from tinyforge.web.app import create_app
from tinyforge.web.client_address import networks
from tinyforge.web.gate import Gate, Probes

API = "/api/v1"
STREAM = b"text/event-stream"
HERE = "192.0.2.9"
Headers = Sequence[tuple[str, str]]
NOTHING: Mapping[str, object] = {}


@dataclass
class Answered:
    """What came of a call; a stream that goes on is left as it began."""

    messages: list[Message] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> HTTPStatus:
        (start,) = (one for one in self.messages if one["type"] == "http.response.start")
        return HTTPStatus(start["status"])

    @property
    def headers(self) -> Mapping[str, str]:
        (start,) = (one for one in self.messages if one["type"] == "http.response.start")
        return {name.decode(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.messages if m["type"] == "http.response.body")

    @property
    def is_over(self) -> bool:
        last = self.messages[-1]
        return last["type"] == "http.response.body" and not last["more_body"]

    @property
    def problem(self) -> Problem:
        return msgspec.json.decode(self.body, type=Problem)


@dataclass(frozen=True)
class Door:
    """A house behind its gate."""

    house: House
    app: Gate
    happened: list[Happening]

    async def knock(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *more: tuple[str, str],
        body: object = NOTHING,
        peer: str = HERE,
    ) -> Answered:
        """Call, and wait for the whole answer; of a stream for its beginning."""
        headers = [("authorization", f"Bearer {token}")] if token is not None else []
        answered = Answered()
        task = asyncio.create_task(
            self.call(scope_of(method, path, [*headers, *more], peer), answered, body)
        )
        begun = asyncio.create_task(answered.begun.wait())
        async with asyncio.timeout(20):
            await asyncio.wait([task, begun], return_when=asyncio.FIRST_COMPLETED)
            if answered.messages and answered.headers.get("content-type", "").startswith(
                STREAM.decode()
            ):
                task.cancel()
            await asyncio.wait([task])
        begun.cancel()
        if not task.cancelled() and (problem := task.exception()) is not None:
            raise problem
        return answered

    async def call(self, scope: HTTPScope, into: Answered, body: object) -> None:
        has_body = scope["method"] in ("POST", "PUT")
        unread = [msgspec.json.encode(body) if has_body else b""]

        async def receive() -> HTTPReceiveMessage:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await asyncio.Event().wait()
            raise AssertionError("nobody goes away")

        async def send(message: Message) -> None:
            into.messages.append(message)
            into.begun.set()

        await self.app(scope, receive, send)

    async def token(self, role: str, **terms: object) -> str:
        asked = msgspec.convert({"role": role, **terms}, TokenRequest)
        return (await self.house.doors.tokens.create(asked, ME)).secret

    def routes(self) -> Iterator[tuple[str, str, Permission]]:
        """Yield method, path and what it declares, of every route but the automatic OPTIONS."""
        assert isinstance(self.app.app, Litestar)
        for route in self.app.app.routes:
            for handler in route.route_handlers:  # type: ignore[union-attr]
                for method in sorted(map(str, handler.http_methods)):  # type: ignore[union-attr]
                    if method not in ("OPTIONS", "HEAD"):
                        yield method, route.path, handler.opt["permission"]


def open_door(house: House, *trusted: str) -> Door:
    happened: list[Happening] = []
    probes = Probes(metrics=lambda: b"up 1\n", unready=lambda: "no room on the disk at /srv/secret")
    keeper = Keeper(house.doors.admission, house.clock, happened.append, networks(trusted))
    return Door(house, create_app(house.doors, probes, happened.append, keeper), happened)


def scope_of(method: str, path: str, headers: Headers, peer: str) -> HTTPScope:
    asked, _, query = path.partition("?")
    return cast(
        "HTTPScope",
        {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(asked),
            "raw_path": asked.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"evil.example"),
                (b"content-type", b"application/json"),
                *((name.encode(), value.encode("latin-1")) for name, value in headers),
            ],
            "server": ("10.0.0.1", 8270),
            "client": (peer, 40_000),
            "state": {},
        },
    )
