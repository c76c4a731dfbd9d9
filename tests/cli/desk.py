"""A tiny HTTP server on a Unix socket that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from ssl import SSLContext
from threading import Event, Thread

from msgspec import Struct, json


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def authorization(self) -> str:
        return self.headers.get("Authorization", "")


@dataclass
class Desk:
    """*answers*: what is said, by method and path; a list is said piece by piece."""

    data: Path
    answers: dict[str, object] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    seen: Event = field(default_factory=Event)
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)  # more of every answer

    def say(self, request: str, *answers: Struct | tuple[int, Struct | bytes]) -> None:
        self.answers[request] = list(answers)

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        self.asked.append(asked)
        self.seen.set()
        found = self.answers.get(f"{asked.method} {asked.path.removeprefix('/api/v1')}")
        if callable(found):
            found = found(asked)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        status, said = found if isinstance(found, tuple) else (200 if found else 404, found)
        return status, said if isinstance(said, bytes) else json.encode(said)


def handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            status, said = desk.answer(Asked(self.command, path, query, body, dict(self.headers)))
            self.send_response(status)
            self.send_header("Content-Type", desk.content_type)
            self.send_header("Content-Length", str(len(said)))
            for name, value in desk.headers.items():
                self.send_header(name, value)
            with suppress(BrokenPipeError):  # who asked may be gone
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

        def address_string(self) -> str:
            return "socket"

    return Handler


@contextmanager
def open_desk(data: Path) -> Iterator[Desk]:
    desk = Desk(data)
    with ThreadingUnixStreamServer(str(data / "tinyforge.sock"), handler(desk)) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield desk
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def open_web_desk(data: Path, tls: SSLContext | None = None) -> Iterator[tuple[Desk, int]]:
    """Serve on a free port of this machine, with *tls* or without."""
    desk = Desk(data)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(desk)) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who went away is no news
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield desk, server.server_port
        finally:
            server.shutdown()
            thread.join()
