"""A small HTTP/1.1 server on plain sockets, which is none of our code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass
class Endpoint:
    """Answers every call with the next of *answers*, the last one for ever."""

    answers: list[bytes] = field(default_factory=lambda: [answer("200 OK")])
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        me = asyncio.current_task()
        assert me
        self.serving.add(me)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                await self._one(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def stop(self) -> None:
        for one in self.serving:
            one.cancel()
        await asyncio.gather(*self.serving)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.calls.append(Call(line, headers, body))
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        await writer.drain()


@asynccontextmanager
async def endpoint(*answers: bytes, host: str = "127.0.0.1") -> AsyncIterator[Endpoint]:
    one = Endpoint(list(answers) or [answer("200 OK")])
    server = await asyncio.start_server(one.serve, host, 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        await one.stop()
