"""Who listens to heartbeats: a server on plain sockets, in a thread of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread

FINE = "204 No Content"


@dataclass
class Heart:
    """Answers every call with *status*; None: takes it, and never answers."""

    listener: socket.socket
    status: str | None = FINE
    calls: list[str] = field(default_factory=list)
    left_open: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}/beat?token=geheim"

    def listen(self) -> None:
        with suppress(OSError):  # it was closed: the test is over
            while True:
                connection, _ = self.listener.accept()
                self.take(connection)

    def take(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            self.calls.append(reader.readline().decode().rstrip())
            while reader.readline().strip():
                pass
        if self.status is None:
            self.left_open.append(connection)
            return
        with closing(connection):
            connection.sendall(f"HTTP/1.1 {self.status}\r\nConnection: close\r\n\r\n".encode())


@contextmanager
def beating(status: str | None = FINE) -> Iterator[Heart]:
    heart = Heart(socket.create_server(("127.0.0.1", 0)), status)
    thread = Thread(target=heart.listen)
    thread.start()
    try:
        yield heart
    finally:
        heart.listener.shutdown(socket.SHUT_RDWR)
        heart.listener.close()
        thread.join()
        for connection in heart.left_open:
            connection.close()
