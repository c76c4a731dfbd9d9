from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from tests.kinds.endpoint import answer, endpoint
from tinyforge import __version__
from tinyforge.errors import OutboundFailed
from tinyforge.outbound import Outbound, Request, close_outbound, outbound, refusal

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",  # noqa: S104 - the point of the test
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "fe80::1",
    "fe80::1%1",
    "febf::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:0:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",
    "2001:db8::5efe:169.254.169.254",
    "2001:db8::200:5efe:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:255.255.255.255",
    "64:ff9b::e000:1",
]
LOCAL = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:a00:1::1",
    "192.0.2.1",
    "198.18.0.1",
    "fec0::1",
    "2001:db8::1",
    "::10.0.0.1",
    "4000::1",
]
PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "2002:101:101::1",
]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("public_only", [False, True])
def test_link_local_metadata_and_group_addresses_are_never_called(
    address: str, public_only: bool
) -> None:
    assert refusal(address, public_only=public_only)


@pytest.mark.parametrize("address", LOCAL)
def test_private_and_loopback_addresses_are_called_unless_only_public_ones_may_be(
    address: str,
) -> None:
    assert refusal(address, public_only=False) is None
    assert "TINYFORGE_OUTBOUND=public" in (refusal(address, public_only=True) or "")


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("public_only", [False, True])
def test_public_addresses_are_called(address: str, public_only: bool) -> None:
    assert refusal(address, public_only=public_only) is None


@pytest.fixture
async def client() -> AsyncIterator[Outbound]:
    async with Outbound.open(public_only=False) as opened:
        yield opened


async def failure(client: Outbound, url: str, timeout: float = 10) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as caught:
        await client.send(Request(method="GET", url=url, timeout=timeout))
    return caught.value


async def test_an_answer_is_an_answer_whatever_its_status(client: Outbound) -> None:
    async with endpoint(answer("503 Service Unavailable", b"busy", "X-Odd: Yes")) as server:
        response = await client.send(Request(method="POST", url=server.url, body=b"hello"))

    assert (response.status, response.reason, response.body) == (
        503,
        "Service Unavailable",
        b"busy",
    )
    assert response.headers["x-odd"] == "Yes"
    (call,) = server.calls
    assert call.body == b"hello"
    assert call.headers["user-agent"] == f"tinyforge/{__version__}"


async def test_one_connection_serves_many_calls(client: Outbound) -> None:
    async with endpoint() as server:
        for _ in range(5):
            await client.send(Request(method="GET", url=server.url))

    assert len(server.calls) == 5
    assert server.connections == 1


async def test_redirects_are_not_followed(client: Outbound) -> None:
    async with (
        endpoint() as target,
        endpoint(answer("302 Found", b"", f"Location: {target.url}/")) as server,
    ):
        response = await client.send(Request(method="GET", url=server.url))

    assert response.status == 302
    assert target.calls == []


async def test_cookies_are_not_kept(client: Outbound) -> None:
    async with endpoint(answer("200 OK", b"", "Set-Cookie: a=b")) as server:
        await client.send(Request(method="GET", url=server.url))
        await client.send(Request(method="GET", url=server.url))

    assert "cookie" not in server.calls[1].headers


async def test_no_proxy_of_the_environment_is_used(
    client: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with endpoint() as server, endpoint() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        await client.send(Request(method="GET", url=server.url))

    assert (len(server.calls), len(proxy.calls)) == (1, 0)


async def test_at_most_1_mib_of_an_answer_is_read(client: Outbound) -> None:
    async with endpoint(answer("200 OK", b"x" * 5_000_000)) as server:
        response = await client.send(Request(method="GET", url=server.url))

    assert len(response.body) == 1024 * 1024


async def test_a_compressed_answer_is_not_unpacked(client: Outbound) -> None:
    async with endpoint(
        answer("200 OK", b"\x1f\x8bnot really", "Content-Encoding: gzip")
    ) as server:
        response = await client.send(Request(method="GET", url=server.url))

    assert response.body == b"\x1f\x8bnot really"
    assert server.calls[0].headers["accept-encoding"] == "identity"


async def test_a_refused_connection_is_said_in_plain_words(client: Outbound) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    problem = await failure(client, f"http://127.0.0.1:{port}/")

    assert problem.reason == "could not be reached: Connection refused"
    assert not problem.permanent


async def test_a_name_without_an_address_is_said_in_plain_words(client: Outbound) -> None:
    problem = await failure(client, "http://no-such-host.invalid/")

    assert problem.reason == "could not be reached: no address found for no-such-host.invalid"
    assert not problem.permanent


async def test_a_server_that_never_answers_is_given_up(client: Outbound) -> None:
    async with endpoint(b"") as server:
        problem = await failure(client, server.url, timeout=0.2)

    assert problem.reason == "did not answer in time"
    assert not problem.permanent


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc", b"garbage\r\n\r\n"],
)
async def test_an_answer_that_breaks_off_or_is_no_http_is_a_failure(
    client: Outbound, said: bytes
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        problem = await failure(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert problem.reason.startswith("gave no complete answer")
    assert not problem.permanent


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://[::1",
        "http://a:99999/",
    ],
)
async def test_what_is_no_http_url_is_refused_and_not_shown(client: Outbound, url: str) -> None:
    problem = await failure(client, url)

    assert problem.permanent
    assert not url or url not in problem.reason


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - the point of the test
        "0",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "user@169.254.169.254",
        "127.0.0.1@169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[::]",
    ],
)
async def test_a_forbidden_address_is_not_dialled_however_it_is_written(
    client: Outbound, host: str
) -> None:
    problem = await failure(client, f"http://{host}:9/latest/meta-data/")

    assert (
        "never called" in problem.reason
        or "valid URL" in problem.reason
        or "no address" in problem.reason
    )


async def test_with_public_only_a_server_on_this_machine_is_not_called() -> None:
    async with Outbound.open(public_only=True) as client, endpoint() as server:
        problem = await failure(client, server.url)

        assert (
            "127.0.0.1 is not public, and TINYFORGE_OUTBOUND=public allows no other"
            in problem.reason
        )
        assert problem.permanent
        assert server.connections == 0


def test_one_loop_shares_one_client_which_closes_with_it(loop_runner: asyncio.Runner) -> None:
    async def share() -> bool:
        async with endpoint() as server:
            first, second = await asyncio.gather(outbound(), outbound())
            await first.send(Request(method="GET", url=server.url))
            return first is second

    assert loop_runner.run(share())


async def test_after_it_was_closed_the_next_call_opens_another() -> None:
    first = await outbound()
    await close_outbound()
    await close_outbound()

    async with endpoint() as server:
        assert (await (await outbound()).send(Request(method="GET", url=server.url))).status == 200
    assert await outbound() is not first
    await close_outbound()


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("", "200"),
        ("all", "200"),
        ("public", "OutboundFailed"),
        ("pubilc", "TINYFORGE_OUTBOUND: 'pubilc' means nothing; write all or public"),
    ],
)
async def test_the_environment_says_who_may_be_called(policy: str, said: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from tinyforge.outbound import Request, outbound\n"
        "async def main():\n"
        "    client = await outbound()\n"
        "    return (await client.send(Request(method='GET', url=sys.argv[1]))).status\n"
        "try: print(asyncio.run(main()))\n"
        "except Exception as problem: print(type(problem).__name__, problem)\n"
    )
    async with endpoint() as server:
        asked = await asyncio.create_subprocess_exec(
            sys.executable,
            "-Werror",
            "-Xdev",
            "-c",
            program,
            server.url,
            env={"TINYFORGE_OUTBOUND": policy},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await asked.communicate()

    assert said in output.decode()
    assert "Warning" not in output.decode()
