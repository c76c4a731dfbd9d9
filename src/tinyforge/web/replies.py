"""What senders of deliveries are told. The table of `docs/reference/webhooks.md` is this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from litestar.types import Send
from msgspec import Struct

from tinyforge import ids
from tinyforge.clock import SECOND, Micros
from tinyforge.engine.inbox import Reception, Told
from tinyforge.web.problems import MEDIA_TYPE, encoded, problem

JSON = b"application/json"
PROBLEM = MEDIA_TYPE.encode()
LATER: Micros = 5 * SECOND  # where nobody can say when it will be better
NO_HEADERS: Mapping[bytes, bytes] = {}
ENCODE = msgspec.json.Encoder().encode


class BindingReply(Struct, frozen=True, kw_only=True):
    """What became of one binding."""

    name: str
    outcome: str
    run_id: str | None
    reason: str


class Taken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A delivery was taken. Bindings `pending`: they are decided, but not yet."""

    outcome: str
    event_id: str | None = None
    bindings: Sequence[BindingReply] | str = ()
    reason: str = ""


class Reply(NamedTuple):
    status: int
    media_type: bytes
    body: bytes
    headers: Mapping[bytes, bytes] = NO_HEADERS
    goes_on: bool = True  # False: the request was not read to its end

    async def send(self, send: Send, *, is_head: bool) -> None:
        headers = [
            (b"content-type", self.media_type),
            (b"content-length", str(len(self.body)).encode()),
            *self.headers.items(),
        ]
        if not self.goes_on:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if is_head else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})


def refusal(
    status: HTTPStatus,
    detail: str,
    fix: str = "",
    headers: Mapping[bytes, bytes] = NO_HEADERS,
    *,
    goes_on: bool = True,
) -> Reply:
    return Reply(status, PROBLEM, encoded(problem(status, detail, fix)), headers, goes_on)


def later(detail: str, wait: Micros = LATER, *, goes_on: bool = True) -> Reply:
    """Ask for the same delivery again, after *wait*."""
    return refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        detail,
        "send it again later",
        _after(wait),
        goes_on=goes_on,
    )


def too_often(wait: Micros) -> Reply:
    detail = "this endpoint takes no more deliveries just now"
    fix = "send it again later, or raise TINYFORGE_DELIVERIES_PER_SECOND"
    return refusal(HTTPStatus.TOO_MANY_REQUESTS, detail, fix, _after(wait))


def too_large(most: int, *, was_read: bool) -> Reply:
    detail = f"the body is larger than the {most} bytes that this endpoint takes"
    fix = "set max_body of the trigger"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return refusal(status, detail, fix, goes_on=was_read)


def told(reception: Reception) -> Reply:
    """Return what the inbox decided: 202 where something may be deployed, 200 where nothing is."""
    if reception.told is Told.REFUSED:
        status = HTTPStatus(reception.status or HTTPStatus.BAD_REQUEST)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            return later(reception.reason)
        return refusal(status, reception.reason)
    event = reception.event_id
    taken = Taken(
        outcome=reception.told,
        event_id=None if event is None else ids.show("evt", event),
        bindings="pending" if reception.told is Told.PENDING else _bindings(reception),
        reason=reception.reason,
    )
    is_at_work = reception.told in {Told.ACCEPTED, Told.PENDING}
    return Reply(HTTPStatus.ACCEPTED if is_at_work else HTTPStatus.OK, JSON, ENCODE(taken))


def _bindings(reception: Reception) -> Sequence[BindingReply]:
    return [
        BindingReply(
            name=name,
            outcome=result.outcome,
            run_id=None if result.run_id is None else ids.show("run", result.run_id),
            reason=result.reason,
        )
        for name, result in reception.bindings
    ]


def _after(wait: Micros) -> Mapping[bytes, bytes]:
    return {b"retry-after": str(max(1, -(-wait // SECOND))).encode()}


NOT_POST = refusal(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "this is a webhook endpoint, send POST",
    "enter this address at the sender as it is",
    {b"allow": b"POST"},
)
UNKNOWN = refusal(
    HTTPStatus.NOT_FOUND,
    "there is no such webhook endpoint",
    "tinyforge trigger url NAME",
)
ENCODED = refusal(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "the body is compressed, and is not read",
    "send it without content-encoding",
)
BUG = refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug of the server", "tinyforge doctor")
