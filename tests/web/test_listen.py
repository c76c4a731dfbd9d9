from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import uvloop

from tests.web.test_gate import echo
from tinyforge.errors import DataInUse, Refused
from tinyforge.web.crowd import Crowd
from tinyforge.web.gate import Gate, Probes
from tinyforge.web.listen import serve
from tinyforge.web.sockets import SOCKET_NAME, address_of, local_socket, tcp_socket

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
HALF_A_BODY = b"POST /api/v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"
ASK = b"POST /api/v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tf") as path:  # a socket's path must be short
        yield Path(path)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


@asynccontextmanager
async def serving(*sockets: socket.socket) -> AsyncIterator[None]:
    app = Gate(echo, Probes(metrics=lambda: b"up 1\n", unready=lambda: None))
    task = asyncio.create_task(serve(app, sockets, Crowd(64, lambda _: None)))
    try:
        yield
    finally:
        task.cancel()
        async with asyncio.timeout(3):
            await asyncio.wait([task])


@asynccontextmanager
async def connected(where: Path | int) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Connect to a socket's path or to a port."""
    reader, writer = await (
        asyncio.open_connection("127.0.0.1", where)
        if isinstance(where, int)
        else asyncio.open_unix_connection(where)
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def answer(where: Path | int, sent: bytes) -> bytes:
    """Return the head of what is answered."""
    async with connected(where) as (reader, writer), asyncio.timeout(5):
        writer.write(sent)
        return await reader.readuntil(b"\r\n\r\n")


def test_the_socket_is_its_users_alone_and_goes_at_the_end(folder: Path) -> None:
    with local_socket(folder):
        mode = (folder / SOCKET_NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (folder / SOCKET_NAME).exists()


def test_the_umask_is_as_before(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        with local_socket(folder):
            assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_what_a_dead_server_left_is_replaced(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / SOCKET_NAME))
    with local_socket(folder):
        assert (folder / SOCKET_NAME).exists()


def test_a_living_server_is_left_alone(folder: Path) -> None:
    with local_socket(folder):
        with pytest.raises(DataInUse), local_socket(folder):
            pass
        assert (folder / SOCKET_NAME).exists()


def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    (folder / SOCKET_NAME).write_text("precious")
    with pytest.raises(Refused, match="is no socket"), local_socket(folder):
        pass
    assert (folder / SOCKET_NAME).read_text() == "precious"


def test_a_path_that_is_too_long_is_refused_with_the_limit(folder: Path) -> None:
    with pytest.raises(Refused, match="107"), local_socket(folder / ("x" * 100)):
        pass


def test_a_port_that_is_taken_is_refused_by_name() -> None:
    with (
        tcp_socket("127.0.0.1", 0) as first,
        pytest.raises(Refused, match="something else listens there"),
        tcp_socket("127.0.0.1", first.getsockname()[1]),
    ):
        pass


def test_an_address_is_told_as_it_is_given() -> None:
    with tcp_socket("127.0.0.1", 0) as four:
        assert address_of(four) == f"127.0.0.1:{four.getsockname()[1]}"
    with tcp_socket("::1", 0) as six:
        assert address_of(six) == f"[::1]:{six.getsockname()[1]}"


def test_an_address_of_somebody_else_is_refused() -> None:
    with (
        pytest.raises(Refused, match=r"cannot listen on 192\.0\.2\.1:0"),
        tcp_socket("192.0.2.1", 0),
    ):
        pass


def test_the_unix_socket_acts_as_its_user_and_tcp_as_nobody(
    runner: asyncio.Runner, folder: Path
) -> None:
    async def ask() -> tuple[bytes, bytes, bytes]:
        with local_socket(folder) as local, tcp_socket("127.0.0.1", 0) as tcp:
            port = tcp.getsockname()[1]
            async with serving(local, tcp):
                return (
                    await answer(folder / SOCKET_NAME, ASK),
                    await answer(port, ASK),
                    await answer(port, GET),
                )

    local, stranger, probe = runner.run(ask())
    assert local.startswith(b"HTTP/1.1 200")
    assert stranger.startswith(b"HTTP/1.1 401")
    assert probe.startswith(b"HTTP/1.1 200")


def test_no_header_makes_a_stranger_local(runner: asyncio.Runner) -> None:
    async def ask() -> bytes:
        with tcp_socket("127.0.0.1", 0) as tcp:
            port = tcp.getsockname()[1]
            forged = ASK.replace(b"host: x", b"host: localhost\r\nx-forwarded-for: 127.0.0.1")
            async with serving(tcp):
                return await answer(port, forged)

    assert runner.run(ask()).startswith(b"HTTP/1.1 401")


def test_it_stops_at_once_while_connections_are_open(runner: asyncio.Runner, folder: Path) -> None:
    async def stop() -> float:
        loop = asyncio.get_running_loop()
        path = folder / SOCKET_NAME
        with local_socket(folder) as local:
            async with AsyncExitStack() as held:
                async with serving(local):
                    await held.enter_async_context(connected(path))
                    _, writer = await held.enter_async_context(connected(path))
                    writer.write(HALF_A_BODY)
                    await writer.drain()
                    begun = loop.time()
                return loop.time() - begun

    assert runner.run(stop()) < 2.5


def test_bytes_that_are_no_http_are_answered_and_end_nothing(
    runner: asyncio.Runner, folder: Path
) -> None:
    async def ask() -> tuple[bytes, bytes]:
        with local_socket(folder) as local:
            async with serving(local):
                bad = await answer(folder / SOCKET_NAME, b"\x00\xff rubbish\r\n\r\n")
                return bad, await answer(folder / SOCKET_NAME, GET)

    bad, good = runner.run(ask())
    assert bad.startswith(b"HTTP/1.1 400")
    assert good.startswith(b"HTTP/1.1 200")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_user_is_turned_away_even_where_the_file_lets_him(folder: Path) -> None:
    path = folder / SOCKET_NAME
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'GET /api/v1/x HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n'); print(s.makefile().read())"
    )

    async def ask() -> bytes:
        with local_socket(folder) as local:
            folder.chmod(0o755)
            path.chmod(0o666)
            async with serving(local):
                other = await asyncio.create_subprocess_exec(
                    "/usr/bin/env", "python3", "-c", program, str(path),
                    user="nobody", stdout=subprocess.PIPE,
                )  # fmt: skip
                return (await other.communicate())[0]

    said = asyncio.run(ask())
    assert said.startswith(b"HTTP/1.1 403")
    assert b"sudo -u USER" in said
