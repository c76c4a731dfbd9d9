"""The outermost layer, raw ASGI: who may ask for what, and how much of a body is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
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

from tinyforge.errors import TinyforgeError, Unproved
from tinyforge.inbound.guard import refusal_of
from tinyforge.operations.callers import Permission
from tinyforge.operations.sightings import Sighting, Sightings
from tinyforge.operations.views import Problem
from tinyforge.web.access import LOOKED_EACH, Knows, LocalOnly
from tinyforge.web.bodies import Bodies, Body, Gone, TooLarge, TooMany
from tinyforge.web.problems import MEDIA_TYPE, encoded, of_error, problem

MANIFEST_BODY = 16 * 1024 * 1024
OTHER_BODY = 1024 * 1024
SMALL = 64 * 1024  # what is looked at within the loop
BODY_DEADLINE = 30  # seconds for the whole of it
CROWDED = "too many bodies are read just now"
LATER = "ask again in a moment; nothing was done"
STOPPING = "the server stops: it may have done this, or not"
AGAIN = "look whether it was done, and ask again where it was not"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PROBES = ("/healthz", "/readyz")
READS = ("GET", "HEAD")
MARK, FORWARDED_FOR = b"tinyforge-mark", b"x-forwarded-for"
CLAIMS = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"forwarded")


@dataclass(frozen=True)
class Probes:
    """What is asked of the server from outside. *unready*: None, or why nothing is recorded."""

    metrics: Callable[[], bytes]
    unready: Callable[[], str | None]


@dataclass(frozen=True)
class BareMetrics:
    """Metrics without a token, on a socket that only those can reach who may know them."""

    probes: Probes

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        asked = cast("HTTPScope", scope)
        if asked["path"] != "/metrics" or asked["method"] not in READS:
            shown = problem(HTTPStatus.NOT_FOUND, "this address answers GET /metrics alone")
            await _answer(send, shown.status, MEDIA_TYPE, encoded(shown))
            return
        body = self.probes.metrics() if asked["method"] == "GET" else b""
        await _answer(send, HTTPStatus.OK, METRICS_TYPE, body)


class Turned(Exception):
    """A request that ends at the gate."""

    def __init__(self, shown: Problem, *, asks_for_proof: bool = False) -> None:
        super().__init__(shown.detail)
        self.shown = shown
        self.asks_for_proof = asks_for_proof


@dataclass(frozen=True)
class Gate:
    """Two words for everybody, whether the server is well; all else for known callers."""

    app: ASGIApp
    probes: Probes
    keeper: Knows = field(default_factory=LocalOnly)
    sightings: Sightings | None = None  # of announced calls
    bodies: Bodies = field(default_factory=Bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(cast("HTTPScope", scope), receive, send)
        except Turned as turned:
            await _turn_away(send, turned)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        is_read = scope["method"] in READS
        if is_read and path in PROBES:
            self._note(scope)
            await self._show(scope, send, *self._probe(path))
            return
        await self._know(scope)
        if path in (*PROBES, "/metrics") and not is_read:
            raise Turned(problem(HTTPStatus.METHOD_NOT_ALLOWED, "this is only read: send GET"))
        if is_read and path == "/metrics":
            await self._show(scope, send, 200, METRICS_TYPE, self.probes.metrics())
            return
        with self.bodies.one() as held:  # until it is answered
            body = await _body(held, scope, receive)
            _forget_claims(scope)
            await self._answered(scope, _replay(body, receive), send)

    def _note(self, scope: HTTPScope) -> None:
        """Keep how a call that was announced has come in."""
        peer, mark = scope.get("client"), _header(scope, MARK)
        if self.sightings and mark and peer:
            seen = self.keeper.seen(scope)
            sighting = Sighting(
                peer=peer[0],
                source=seen.source,
                is_trusted=seen.is_through_trusted,
                is_forwarded=bool(_header(scope, FORWARDED_FOR)),
            )
            self.sightings.note(mark.decode("latin-1"), sighting)

    async def _know(self, scope: HTTPScope) -> None:
        """Put who calls into the scope; Turned where nobody knows, or they may not look."""
        state = scope["state"]
        if other_user := state.get("other_user"):
            raise Turned(_another_users_socket(str(other_user)))
        try:
            caller = state["caller"] = await self.keeper.caller_of(scope)
            if scope["path"] == "/metrics":
                caller.must_allow(Permission.METRICS)
        except TinyforgeError as error:
            raise Turned(of_error(error), asks_for_proof=isinstance(error, Unproved)) from None

    async def _show(
        self, scope: HTTPScope, send: Send, status: int, media_type: str, body: bytes
    ) -> None:
        await _answer(send, status, media_type, b"" if scope["method"] == "HEAD" else body)

    async def _answered(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Have the app answer; say so where the end of the server, or of a token, comes first."""
        begun = ended = False

        async def noted(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            ended = message["type"] == "http.response.body" and not message["more_body"]
            await send(message)

        try:
            over = await self._while_allowed(scope, self.app(scope, receive, noted))
        except asyncio.CancelledError:
            if begun:
                raise
            raise Turned(problem(HTTPStatus.SERVICE_UNAVAILABLE, STOPPING, AGAIN)) from None
        if over is None or ended:
            return
        if not begun:
            raise Turned(of_error(over), asks_for_proof=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _while_allowed(self, scope: HTTPScope, answer: Awaitable[None]) -> Unproved | None:
        """Let *answer* end; one that only reads ends early when its token does."""
        if scope["method"] not in READS:
            await answer
            return None
        answering = asyncio.ensure_future(answer)
        try:
            while not (await asyncio.wait([answering], timeout=LOOKED_EACH))[0]:
                if over := await self.keeper.is_over(scope):
                    return over
            await answering
        finally:
            if not answering.done():
                answering.cancel()
                await asyncio.wait([answering])
        return None

    def _probe(self, path: str) -> tuple[int, str, bytes]:
        if path == "/healthz":
            return 200, "application/json", b'{"ok":true}'
        ready = self.probes.unready() is None
        body = msgspec.json.encode({"ready": ready})  # why not is for those who may know
        return 200 if ready else 503, "application/json", body


def _another_users_socket(other_user: str) -> Problem:
    return problem(
        HTTPStatus.FORBIDDEN,
        f"this socket serves the user who runs the server, and root, not {other_user}",
        "run the command as that user: sudo -u USER tinyforge …",
    )


def _forget_claims(scope: HTTPScope) -> None:
    """Take out what a sender or a proxy says of our own address: nothing is to be built from it."""
    scope["server"] = ("localhost", 80)  # Litestar reads a port, which a socket has not
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in CLAIMS]


async def _body(held: Body, scope: HTTPScope, receive: Receive) -> bytes:
    """Read the body as far as it may go; an empty one of a POST counts as `{}`."""
    most = MANIFEST_BODY if scope["path"].startswith("/api/v1/manifest/") else OTHER_BODY
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            body = await _read(held, scope, receive, most)
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


async def _read(body: Body, scope: HTTPScope, receive: Receive, most: int) -> bytes:
    try:
        return await body.read(scope, receive, most)
    except Gone:
        detail = "the connection ended within the body"
        raise Turned(problem(HTTPStatus.BAD_REQUEST, detail)) from None
    except TooLarge:
        detail = f"the body is larger than {most} bytes"
        raise Turned(problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)) from None
    except TooMany:
        raise Turned(problem(HTTPStatus.SERVICE_UNAVAILABLE, CROWDED, LATER)) from None


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


async def _turn_away(send: Send, turned: Turned) -> None:
    proof = [(b"www-authenticate", b'Bearer realm="tinyforge"')] if turned.asks_for_proof else []
    if turned.shown.status == HTTPStatus.METHOD_NOT_ALLOWED:
        proof.append((b"allow", ", ".join(READS).encode()))
    await _answer(send, turned.shown.status, MEDIA_TYPE, encoded(turned.shown), proof)


async def _answer(
    send: Send,
    status: int,
    media_type: str,
    body: bytes,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer and close: what is left of a request that was turned away is not read."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *more,
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
