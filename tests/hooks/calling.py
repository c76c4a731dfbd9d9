"""Senders as they are seen from outside: bytes over plain sockets, signed by `openssl`."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple
from uuid import uuid4

from tests.inbound.sending import SECRET, hex_of

PATIENCE = 20.0  # seconds that anything here may take
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
JSON_TYPE = "application/json"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found

    @property
    def event(self) -> object:
        return self.said["event_id"]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Return name and outcome of each binding."""
        bindings = self.said.get("bindings", [])
        assert isinstance(bindings, list)
        return [(one["name"], one["outcome"]) for one in bindings]

    @property
    def is_last(self) -> bool:
        return self.headers.get("connection") == "close"


def request(
    path: str, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS, method: str = "POST"
) -> bytes:
    """Return the bytes of a request."""
    given = {"host": "x", "content-length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def github(
    payload: object,
    delivery: str = "",
    event: str = "push",
    *,
    secret: str = SECRET,
    **headers: str,
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a delivery as GitHub signs it."""
    body = json.dumps(payload).encode()
    return body, {
        "content-type": JSON_TYPE,
        "x-github-event": event,
        "x-github-delivery": delivery or str(uuid4()),
        "x-hub-signature-256": f"sha256={hex_of(secret, body)}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }


@dataclass
class Line:
    """One connection, kept for several requests."""

    connection: socket.socket
    _read: bytearray = field(default_factory=bytearray)

    def send(self, text: bytes) -> None:
        self.connection.sendall(text)

    def ask(
        self,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] = NO_HEADERS,
        method: str = "POST",
    ) -> Answer:
        self.send(request(path, body, headers, method))
        return self.answer(has_body=method != "HEAD")

    def answer(self, *, has_body: bool = True) -> Answer:
        """Read one answer; ConnectionError where the other end has none."""
        while b"\r\n\r\n" not in self._read:
            self._receive()
        head, _, rest = bytes(self._read).partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(_header(line) for line in lines)
        size = int(headers["content-length"]) if has_body else 0
        self._read[:] = rest
        while len(self._read) < size:
            self._receive()
        body = bytes(self._read[:size])
        del self._read[:size]
        return Answer(int(status.split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Wait for the other end to close, or fail."""
        try:
            return self.connection.recv(1) == b""
        except ConnectionError:
            return True

    def _receive(self) -> None:
        some = self.connection.recv(65_536)
        if not some:
            raise ConnectionResetError("it was closed")
        self._read += some


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


@contextmanager
def line(port: int, source: str = "127.0.0.1") -> Iterator[Line]:
    address = ("127.0.0.1", port)
    with closing(socket.create_connection(address, PATIENCE, (source, 0))) as connection:
        yield Line(connection)


def ask(
    port: int,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] = NO_HEADERS,
    method: str = "POST",
) -> Answer:
    """Ask once, on a connection of its own."""
    with line(port) as one:
        return one.ask(path, body, headers, method)
