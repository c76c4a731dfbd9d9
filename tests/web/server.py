"""A server of its own for the tests that need a real one, with a token of each role."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from tests.ports import free_port
from tests.torture.served import Served, serving
from tinyforge.cli.client import SocketDoor

PATIENCE = 30  # seconds
ROLES = ("viewer", "deployer", "admin")


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Running:
    served: Served
    port: int
    tokens: dict[str, str]  # by role

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, role: str | None, body: object = None, **headers: str
    ) -> Answer:
        """Ask with the token of a role, or with none; `If_Match` is the header `If-Match`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            given["Authorization"] = f"Bearer {self.tokens[role]}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json", **given})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@contextmanager
def running_server(
    folder: Path, tokens: dict[str, str] | None = None, **variables: str
) -> Iterator[Running]:
    """Start a server; one that shares a database with another goes by that one's *tokens*."""
    port = free_port()
    with serving(folder, listen=f"127.0.0.1:{port}", variables=variables) as served:
        assert served.until_ready(), served.last_words()
        tokens = tokens or {role: _token(served, role) for role in ROLES}
        yield Running(served, port, tokens)


def _token(served: Served, role: str) -> str:
    door = SocketDoor(served.data)
    try:
        body = json.dumps({"role": role, "name": role}).encode()
        made = door.ask("POST", "/api/v1/tokens", body)
    finally:
        door.close()
    assert made.status == 201, made.body
    return str(json.loads(made.body)["secret"])
