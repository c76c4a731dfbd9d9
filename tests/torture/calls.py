"""Calls to a server's socket, and how long it took to answer; none of the server's code."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

PATIENCE = 60.0  # seconds: whoever is silent for longer hangs
OK = 200


class NoAnswer(Exception):
    """Nobody listened, or the server died; *was_heard*: after it took the call."""

    def __init__(self, *, was_heard: bool) -> None:
        super().__init__()
        self.was_heard = was_heard


class Call(NamedTuple):
    status: int
    retry_after: str | None
    body: bytes
    took: float  # seconds

    @property
    def is_done(self) -> bool:
        return self.status == OK


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


class Caller:
    """One who calls the API of the server over *data*, each time anew."""

    def __init__(self, data: Path) -> None:
        self._path = data / "tinyforge.sock"

    def post(self, path: str, body: bytes = b"{}") -> Call:
        """Return what was answered. NoAnswer: nothing was, so the caller knows nothing."""
        connection, began, heard = _Connection(self._path), time.monotonic(), False
        try:
            connection.connect()
            heard = True
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            said = connection.getresponse()
            after = said.getheader("Retry-After")
            return Call(said.status, after, said.read(), time.monotonic() - began)
        except (HTTPException, OSError):
            raise NoAnswer(was_heard=heard) from None
        finally:
            connection.close()
