from __future__ import annotations

import asyncio
import json

import pytest
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from tinyforge.web.gate import MANIFEST_BODY, OTHER_BODY, Gate, Probes
from tinyforge.web.local import Answer, call

OPEN = ("/healthz", "/readyz")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what came through the gate."""
    message = await receive()
    assert message["type"] == "http.request"
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    await send({"type": "http.response.body", "body": message["body"], "more_body": False})


def gate(unready: str | None = None) -> Gate:
    return Gate(echo, Probes(metrics=lambda: b"up 1\n", unready=lambda: unready))


async def post(body: bytes, path: str = "/api/v1/x") -> Answer:
    return await call(gate(), "POST", path, body, actor="local:me")


@pytest.mark.parametrize("path", OPEN)
async def test_probes_are_open_to_everybody(path: str) -> None:
    assert (await call(gate(), "GET", path, actor="")).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/v1/triggers", "/metrics", "//healthz", "/api"])
async def test_everything_else_needs_the_unix_socket(method: str, path: str) -> None:
    answer = await call(gate(), method, path, actor="")
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Unix socket" in json.loads(answer.body)["detail"]
    assert "--unix-socket" in json.loads(answer.body)["fix"]


async def test_a_probe_takes_no_post_from_a_stranger() -> None:
    assert (await call(gate(), "POST", "/healthz", actor="")).status == 401


async def test_readiness_says_yes_or_no_and_nothing_more() -> None:
    ready = await call(gate(), "GET", "/readyz", actor="")
    assert (ready.status, json.loads(ready.body)) == (200, {"ready": True})
    unready = await call(gate("disk full"), "GET", "/readyz", actor="")
    assert (unready.status, json.loads(unready.body)) == (503, {"ready": False})


async def test_a_call_that_the_end_of_the_server_cuts_off_is_told_so() -> None:
    arrived = asyncio.Event()

    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        arrived.set()
        await asyncio.Event().wait()

    closed = Gate(never, Probes(metrics=lambda: b"", unready=lambda: None))
    asked = asyncio.ensure_future(call(closed, "POST", "/api/v1/x", b"{}", actor="local:me"))
    await arrived.wait()
    asked.cancel()
    answer = await asked
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "may have done" in json.loads(answer.body)["detail"]


async def test_metrics_come_as_they_are() -> None:
    answer = await call(gate(), "GET", "/metrics", actor="local:me")
    assert answer.body == b"up 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_a_body_that_is_json_comes_through_unchanged() -> None:
    assert (await post(b'{"a": [1, 2]}')).body == b'{"a": [1, 2]}'


async def test_an_empty_post_counts_as_an_empty_object() -> None:
    assert (await post(b"")).body == b"{}"


async def test_a_body_with_a_double_key_is_turned_away() -> None:
    answer = await post(b'{"a": 1, "a": 2}')
    assert answer.status == 400
    assert "'a' stands twice" in json.loads(answer.body)["detail"]


async def test_a_manifest_may_be_larger_than_other_bodies() -> None:
    body = json.dumps({"text": "x" * OTHER_BODY}).encode()
    assert (await post(body)).status == 413
    assert (await post(body, "/api/v1/manifest/apply")).status == 200
    body = json.dumps({"text": "x" * MANIFEST_BODY}).encode()
    assert (await post(body, "/api/v1/manifest/apply")).status == 413


async def test_a_body_that_is_not_said_to_be_json_is_turned_away() -> None:
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}  # type: ignore[return-value]

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/x",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
        "state": {"actor": "local:me"},
    }
    typed: HTTPScope = scope  # type: ignore[assignment]
    await gate()(typed, receive, send)
    assert answers[0]["type"] == "http.response.start"
    assert answers[0]["status"] == 415
