"""Asking the API without sockets."""

from __future__ import annotations

import json

import msgspec

from tests.operations.house import ME
from tinyforge.operations.views import Problem
from tinyforge.web.gate import Gate
from tinyforge.web.local import Answer, call

API = "/api/v1"


async def ask(app: Gate, method: str, path: str, body: object = None) -> Answer:
    sent = b"" if body is None else json.dumps(body).encode()
    return await call(app, method, API + path, sent, actor=ME.actor)


def problem(answer: Answer) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    shown = msgspec.json.decode(answer.body, type=Problem)
    assert shown.status == answer.status
    return shown
