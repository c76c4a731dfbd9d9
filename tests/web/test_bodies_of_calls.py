"""Bodies of calls that are read at once, sent over plain sockets."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio
from litestar.types import Receive, Scope, Send

from tests.web.test_gate import echo
from tests.web.test_listen import connected
from tinyforge.web.bodies import MOST_IN_FLIGHT
from tinyforge.web.crowd import Crowd
from tinyforge.web.gate import MANIFEST_BODY, Gate, Probes
from tinyforge.web.listen import serve
from tinyforge.web.local import call
from tinyforge.web.sockets import SOCKET_NAME, local_socket

HELD = MOST_IN_FLIGHT // 4 - 1  # of each of the four that fill it nearly
HEAD = (
    "POST /api/v1/manifest/plan HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    "content-length: {}\r\n\r\n"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tf") as path:  # a socket's path must be short
        yield Path(path)


@pytest_asyncio.fixture
async def gate(folder: Path) -> AsyncIterator[Gate]:
    gate = Gate(echo, Probes(metrics=lambda: b"", unready=lambda: None))
    with local_socket(folder) as listener:
        task = asyncio.create_task(serve(gate, [listener], Crowd(64, lambda _: None)))
        yield gate
        task.cancel()
        async with asyncio.timeout(3):
            await asyncio.wait([task])


@asynccontextmanager
async def held_back(folder: Path, size: int) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Send all of a JSON string but its last byte."""
    async with connected(folder / SOCKET_NAME) as (reader, writer):
        writer.write(HEAD.format(size + 1).encode() + b'"' + b"x" * (size - 1))
        await writer.drain()
        yield reader, writer


async def ended(reader: StreamReader, writer: StreamWriter) -> bytes:
    """Send the last byte, and return the head of the answer."""
    writer.write(b'"')
    return await reader.readuntil(b"\r\n\r\n")


async def until_held(gate: Gate, size: int) -> None:
    while gate.bodies.held != size:
        await asyncio.sleep(0)


async def test_calls_that_hold_large_bodies_back_are_bounded_together(
    gate: Gate, folder: Path
) -> None:
    assert HELD < MANIFEST_BODY
    async with asyncio.timeout(60), AsyncExitStack() as opened:
        slow = []
        for count in range(1, 5):
            slow.append(await opened.enter_async_context(held_back(folder, HELD)))
            await until_held(gate, count * HELD)
        quick = await opened.enter_async_context(held_back(folder, 1024))
        assert (await ended(*quick)).startswith(b"HTTP/1.1 200 ")
        heads = [await ended(*one) for one in slow]
    turned = [head for head in heads if head.startswith(b"HTTP/1.1 503 ")]
    assert (len(turned), b"\r\nretry-after: 1\r\n" in turned[0]) == (1, True)
    assert sum(head.startswith(b"HTTP/1.1 200 ") for head in heads) == 3
    await until_held(gate, 0)


async def test_a_body_counts_until_its_call_is_answered() -> None:
    held = []

    async def looking(scope: Scope, receive: Receive, send: Send) -> None:
        held.append(gate.bodies.held)
        await echo(scope, receive, send)

    gate = Gate(looking, Probes(metrics=lambda: b"", unready=lambda: None))
    answer = await call(gate, "POST", "/api/v1/x", b'"four"', actor="local:me")
    assert (answer.status, held, gate.bodies.held) == (200, [6], 0)
