"""What one connection may do, asked over plain sockets."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from litestar.types import Receive, Scope, Send

from tinyforge.observe.events import ConnectionTurnedAway, Happening
from tinyforge.web.connection import LONGEST_HEAD, MOST_PIPELINED
from tinyforge.web.crowd import Crowd, neighbourhood
from tinyforge.web.listen import serve
from tinyforge.web.sockets import tcp_socket

GET = b"GET /hi HTTP/1.1\r\nhost: x\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
HALF = b"GET /hi HTTP/1.1\r\nhost:"
FEW = 8  # unfinished connections an address


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path, once the request is there."""
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message["more_body"]:
            break
    body = scope["path"].encode()
    size = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [size]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@asynccontextmanager
async def serving(happened: list[Happening] | None = None) -> AsyncIterator[int]:
    """Serve on a port."""
    heard: list[Happening] = [] if happened is None else happened
    with tcp_socket("127.0.0.1", 0) as listener:
        port: int = listener.getsockname()[1]
        task = asyncio.create_task(serve(hello, [listener], Crowd(FEW, heard.append)))
        try:
            yield port
        finally:
            task.cancel()
            async with asyncio.timeout(3):
                await asyncio.wait([task])


@asynccontextmanager
async def connected(port: int, source: str = "127.0.0.1") -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


class Connection:
    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, text: bytes) -> None:
        self._writer.write(text)
        await self._writer.drain()

    async def until_closed(self) -> bytes:
        """Return what came before the other end closed."""
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                return await self.reader.read()
        return b""

    async def answer(self, text: bytes) -> bytes:
        """Return the head of what is answered."""
        await self.send(text)
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")


async def said(text: bytes) -> bytes:
    """Return all that is answered to *text*, by a server that then closes."""
    async with serving() as port, connected(port) as connection:
        await connection.send(text)
        return await connection.until_closed()


async def many(stack: AsyncExitStack, port: int, sources: Sequence[str]) -> list[Connection]:
    """Open connections that have sent the first half of a request."""
    found = [await stack.enter_async_context(connected(port, source)) for source in sources]
    for one in found:
        await one.send(HALF)
    return found


async def test_the_oldest_unfinished_connections_of_an_address_go_first() -> None:
    happened: list[Happening] = []
    async with serving(happened) as port, AsyncExitStack() as stack:
        held = await many(stack, port, ["127.0.0.1"] * (FEW + 3))
        assert [await one.until_closed() for one in held[:3]] == [b""] * 3
        assert happened == [ConnectionTurnedAway(why="address")] * 3
        for one in held[3:]:
            assert (await one.answer(b" x\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_whoever_floods_an_address_does_not_lock_out_others_there() -> None:
    async with serving() as port, AsyncExitStack() as stack:
        await many(stack, port, ["127.0.0.1"] * (FEW * 4))
        async with connected(port) as good:
            assert (await good.answer(GET)).startswith(b"HTTP/1.1 200")


async def test_each_address_is_counted_alone() -> None:
    happened: list[Happening] = []
    async with serving(happened) as port, AsyncExitStack() as stack:
        held = await many(stack, port, [f"127.0.0.{n % 4 + 1}" for n in range(FEW * 4)])
        (first,) = await many(stack, port, ["127.0.0.9"])
        assert not happened
        for one in [*held, first]:
            assert (await one.answer(b" x\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_connections_whose_requests_are_whole_are_not_counted() -> None:
    happened: list[Happening] = []
    async with serving(happened) as port, AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(connected(port)) for _ in range(FEW * 2)]
        for one in idle:
            assert (await one.answer(GET)).startswith(b"HTTP/1.1 200")
        held = await many(stack, port, ["127.0.0.1"] * (FEW + 1))
        assert await held[0].until_closed() == b""
        for one in idle:
            await one.reader.readexactly(len(b"/hi"))
            assert (await one.answer(GET)).startswith(b"HTTP/1.1 200")
        assert happened == [ConnectionTurnedAway(why="address")]


def test_one_customers_ipv6_network_is_one_address() -> None:
    assert neighbourhood("2001:db8:1:2:3::4") == neighbourhood("2001:db8:1:2:ffff::1")
    assert neighbourhood("2001:db8:1:2::1") != neighbourhood("2001:db8:1:3::1")
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("") == ""


async def test_headers_that_are_too_long_are_refused() -> None:
    begin = b"GET / HTTP/1.1\r\nx: "
    long = begin + b"y" * (LONGEST_HEAD + 1 - len(begin))
    assert (await said(long)).startswith(b"HTTP/1.1 431")


async def test_headers_that_are_just_not_too_long_are_read() -> None:
    long = b"\r\nx: " + b"y" * (LONGEST_HEAD - 100) + b"\r\n\r\n"
    assert (await said(LAST.replace(b"\r\n\r\n", long))).startswith(b"HTTP/1.1 200")


async def test_many_headers_count_like_long_ones() -> None:
    many_lines = b"".join(b"x-%d: y\r\n" % n for n in range(LONGEST_HEAD // 8))
    assert (await said(b"GET / HTTP/1.1\r\n" + many_lines + b"\r\n")).startswith(b"HTTP/1.1 431")


async def test_requests_behind_one_another_are_answered_in_order() -> None:
    asked = [b"/%d" % n for n in range(5)]
    answers = await said(b"".join(GET.replace(b"/hi", path) for path in asked) + LAST)
    assert [part.rpartition(b"\r\n")[2] for part in answers.split(b"HTTP/1.1 ")[1:]] == [
        *asked,
        b"/hi",
    ]


async def test_too_many_requests_behind_one_another_end_the_connection() -> None:
    answers = await said(GET * (MOST_PIPELINED * 3))
    assert answers.count(b"HTTP/1.1 200") <= MOST_PIPELINED + 1


async def test_a_request_to_speak_something_else_is_answered_and_ends_the_connection() -> None:
    upgrade = b"\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    assert (await said(GET.replace(b"\r\n\r\n", upgrade))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "smuggled",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"content-length: -1\r\n\r\n",
        b"content-length: 1_0\r\n\r\n0123456789",
        b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: identity, chunked, identity\r\n\r\nhello",
        b"content-length : 5\r\n\r\nhello",
        b" folded\r\n\r\n",
    ],
)
async def test_what_two_servers_may_read_differently_is_refused(smuggled: bytes) -> None:
    asked = b"POST /x HTTP/1.1\r\nhost: x\r\n" + smuggled
    assert (await said(asked)).startswith(b"HTTP/1.1 400")


async def test_an_idle_connection_is_kept_for_the_next_request() -> None:
    async with serving() as port, connected(port) as connection:
        for text in (GET, GET):
            assert (await connection.answer(text)).startswith(b"HTTP/1.1 200")
            await connection.reader.readexactly(len(b"/hi"))
        assert (await connection.answer(LAST)).startswith(b"HTTP/1.1 200")


async def dripping(port: int, begin: bytes, drop: bytes, a_second: int, drops: int) -> bytes:
    """Send *drop* so often a second; return what is answered."""
    async with connected(port) as connection:
        await connection.send(begin)
        for _ in range(drops):
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(1 / a_second):
                    return await connection.reader.read()
            with suppress(ConnectionError):
                await connection.send(drop)
        return await connection.until_closed()


@pytest.mark.slow
async def test_headers_and_bodies_that_take_too_long_end_the_connection() -> None:
    post = b"POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 22000\r\n\r\n"
    happened: list[Happening] = []
    async with serving(happened) as port:
        headers, body, in_time = await asyncio.gather(
            dripping(port, b"GET / HTTP/1.1\r\nx: ", b"y", 1, 30),
            dripping(port, post, b"y" * 100, 5, 150),
            dripping(port, post, b"y" * 1_000, 2, 22),
        )
    assert headers.startswith(b"HTTP/1.1 408")
    assert body.startswith(b"HTTP/1.1 408")
    assert in_time.startswith(b"HTTP/1.1 200")
    whys = [one.why for one in happened if isinstance(one, ConnectionTurnedAway)]
    assert sorted(whys) == ["body", "headers"]
