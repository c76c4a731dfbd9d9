"""The outermost layer, raw ASGI: who may ask for what, and how much of a body is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import msgspec
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
)

from tinyforge.inbound.guard import refusal_of
from tinyforge.operations.views import Problem
from tinyforge.web.problems import MEDIA_TYPE, encoded, problem

MANIFEST_BODY = 16 * 1024 * 1024
OTHER_BODY = 1024 * 1024
SMALL = 64 * 1024  # what is looked at within the loop
MOST_READ = 64 * 1024 * 1024
BODY_DEADLINE = 30  # seconds for the whole of it
STOPPING = "the server stops: it may have done this, or not"
AGAIN = "look whether it was done, and ask again where it was not"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Probes:
    """What is open to everybody. *unready*: None, or why windows cannot be recorded."""

    metrics: Callable[[], bytes]
    unready: Callable[[], str | None]


class Turned(Exception):
    """A request that ends at the gate."""

    def __init__(self, shown: Problem) -> None:
        super().__init__(shown.detail)
        self.shown = shown


@dataclass(frozen=True)
class Gate:
    """Probes for everybody; the API for a connection with an actor: the Unix socket's."""

    app: ASGIApp
    probes: Probes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(cast("HTTPScope", scope), receive, send)
        except Turned as turned:
            await _answer(send, turned.shown.status, MEDIA_TYPE, encoded(turned.shown))

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["method"] in ("GET", "HEAD") and path in ("/metrics", "/healthz", "/readyz"):
            status, media_type, body = self._probe(path)
            await _answer(send, status, media_type, b"" if scope["method"] == "HEAD" else body)
            return
        if not scope["state"].get("actor"):
            raise Turned(_not_admitted(scope["state"].get("other_user")))
        body = await _body(scope, receive)
        scope["server"] = ("localhost", 80)  # Litestar reads a port, which a socket has not
        await self._answered(scope, _replay(body, receive), send)

    async def _answered(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Have the app answer; say so where the end of the server comes first."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun:
                raise
            raise Turned(problem(HTTPStatus.SERVICE_UNAVAILABLE, STOPPING, AGAIN)) from None

    def _probe(self, path: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            return 200, METRICS_TYPE, self.probes.metrics()
        if path == "/healthz":
            return 200, "application/json", b'{"ok":true}'
        reason = self.probes.unready()
        body = msgspec.json.encode({"ready": reason is None, "problem": reason})
        return 200 if reason is None else 503, "application/json", body


def _not_admitted(other_user: str | None) -> Problem:
    if other_user is not None:
        return problem(
            HTTPStatus.FORBIDDEN,
            f"this socket serves the user who runs the server, and root, not {other_user}",
            "run the command as that user: sudo -u USER tinyforge …",
        )
    return problem(
        HTTPStatus.UNAUTHORIZED,
        "this address answers /metrics, /healthz and /readyz; the API is on the Unix socket",
        "curl --unix-socket DATA/tinyforge.sock http://localhost/api/v1/health",
    )


async def _body(scope: HTTPScope, receive: Receive) -> bytes:
    """Read the body as far as it may go; an empty one of a POST counts as `{}`."""
    most = MANIFEST_BODY if scope["path"].startswith("/api/v1/manifest/") else OTHER_BODY
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            body = await _read(receive, most)
    except TimeoutError:
        detail = f"the body was not there within {BODY_DEADLINE} s"
        raise Turned(problem(HTTPStatus.REQUEST_TIMEOUT, detail)) from None
    if not body:
        return b"{}" if scope["method"] == "POST" else b""
    if not _header(scope, b"content-type").lower().startswith(b"application/json"):
        raise Turned(
            problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON and say so",
                "send the header Content-Type: application/json",
            )
        )
    small = len(body) <= SMALL
    if refusal := refusal_of(body) if small else await asyncio.to_thread(refusal_of, body):
        raise Turned(problem(HTTPStatus.BAD_REQUEST, f"the body: {refusal}"))
    return body


async def _read(receive: Receive, most: int) -> bytes:
    """Return the body; one that is too large is read to its end, or nobody hears the answer."""
    body, size = bytearray(), 0
    while size <= MOST_READ:
        message = await receive()
        if message["type"] != "http.request":
            raise Turned(problem(HTTPStatus.BAD_REQUEST, "the connection ended within the body"))
        size += len(message["body"])
        if size <= most:
            body += message["body"]
        if not message["more_body"]:
            break
    if size > most:
        detail = f"the body is larger than {most} bytes"
        raise Turned(problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail))
    return bytes(body)


def _header(scope: HTTPScope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, then what comes after it."""
    left = [body]

    async def again() -> HTTPReceiveMessage:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return cast("HTTPReceiveMessage", await receive())

    return again


async def _answer(send: Send, status: int, media_type: str, body: bytes) -> None:
    """Answer and close: what is left of a request that was turned away is not read."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
