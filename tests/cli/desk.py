"""A tiny HTTP server on a Unix socket that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Event, Thread

from msgspec import Struct, json


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: str
    body: bytes


@dataclass
class Desk:
    """*answers*: what is said, by method and path; a list is said piece by piece."""

    data: Path
    answers: dict[str, object] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    seen: Event = field(default_factory=Event)

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
            status, said = desk.answer(Asked(self.command, path, query, body))
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
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
