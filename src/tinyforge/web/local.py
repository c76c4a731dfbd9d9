"""The same app without sockets, for a command that works while no server runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import unquote

from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


async def call(app: ASGIApp, method: str, path: str, body: bytes = b"", *, actor: str) -> Answer:
    """Ask *app* as *actor*; *path* is percent-encoded and may carry a query."""
    sent: list[Message] = []
    unread = [body]

    async def receive() -> HTTPReceiveMessage:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(_scope(method, path, actor), receive, send)
    return _answer(sent)


def _scope(method: str, path: str, actor: str) -> HTTPScope:
    asked, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(asked),
        "raw_path": asked.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
        "server": ("localhost", 80),
        "client": None,
        "state": {"actor": actor},
    }
    return cast("HTTPScope", scope)  # the rest of it is for routers to fill in


def _answer(sent: list[Message]) -> Answer:
    status, headers, body = 500, {}, b""
    for message in sent:
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {key.decode(): value.decode() for key, value in message["headers"]}
        elif message["type"] == "http.response.body":
            body += message["body"]
    return Answer(status, headers, body)
