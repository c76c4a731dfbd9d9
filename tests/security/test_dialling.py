"""What is really dialled: whatever a URL looks like, a name turns into or a redirect asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.kinds.endpoint import Endpoint, answer, endpoint
from tests.security.names import name_server
from tinyforge.errors import OutboundFailed
from tinyforge.outbound import Outbound, Request, Response
from tinyforge.workloads.http import Http

THIS_MACHINE = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "127.9.9.9",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "127.0.0.1.",
    "user@127.0.0.1",
    "user:pass@127.0.0.1",
    "example.org@127.0.0.1",
    "example.org%40@127.0.0.1",
    "127。0。0。1",
    "\uff11\uff12\uff17.0.0.1",
    "①②⑦.0.0.1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "0.0.0.0",  # noqa: S104 - it leads to this machine
    "0",
    "[::]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
    "[::1]",
]
METADATA = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "user@169.254.169.254",
    "127.0.0.1@169.254.169.254",
    "127.0.0.1%2f@169.254.169.254",
    "\uff11\uff16\uff19.\uff12\uff15\uff14.\uff11\uff16\uff19.\uff12\uff15\uff14",
    "169。254。169。254",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fd00:ec2::254]",
    "[fe80::a9fe:a9fe%25lo]",
]
NAMELESS = ("never called", "not public", "valid URL", "no address", "needs a URL", "no complete")


@pytest.fixture
async def anything() -> AsyncIterator[Outbound]:
    async with Outbound.open(public_only=False) as client:
        yield client


@pytest.fixture
async def public() -> AsyncIterator[Outbound]:
    async with Outbound.open(public_only=True) as client:
        yield client


def is_refusal(why: str) -> bool:
    return any(words in why for words in NAMELESS)


async def failure(client: Outbound, url: str, redirects: int = 0) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as caught:
        await client.send(Request(method="GET", url=url, timeout=10, redirects=redirects))
    return caught.value


async def told(client: Outbound, url: str) -> str:
    """Return the status, or why there was none."""
    try:
        return str((await client.send(Request(method="GET", url=url, timeout=3))).status)
    except OutboundFailed as problem:
        return problem.reason


async def all_told(client: Outbound, port: int, hosts: Sequence[str]) -> dict[str, str]:
    """Ask every one of *hosts* at once."""
    said = await asyncio.gather(*(told(client, f"http://{host}:{port}/") for host in hosts))
    return dict(zip(hosts, said, strict=True))


async def test_security_row_6_no_spelling_of_this_machine_is_public(public: Outbound) -> None:
    async with endpoint() as server:
        said = await all_told(public, server.port, THIS_MACHINE)

        assert {host: why for host, why in said.items() if not is_refusal(why)} == {}
        assert server.connections == 0


async def test_most_spellings_of_this_machine_would_have_led_there(anything: Outbound) -> None:
    async with endpoint() as server:
        await all_told(anything, server.port, THIS_MACHINE)

        assert len(server.calls) >= 15  # else the test above shows nothing


async def test_security_row_6_the_unspecified_address_does_not_lead_to_this_machine(
    anything: Outbound,
) -> None:
    async with endpoint() as server:
        hosts = ["0.0.0.0", "0", "0x0", "[::]", "[::ffff:0.0.0.0]"]  # noqa: S104
        said = await all_told(anything, server.port, hosts)

        assert {host: why for host, why in said.items() if not is_refusal(why)} == {}
        assert server.connections == 0


@pytest.mark.parametrize("host", METADATA)
async def test_security_row_6_no_spelling_of_a_metadata_address_is_dialled(
    anything: Outbound, host: str
) -> None:
    problem = await failure(anything, f"http://{host}:9/latest/meta-data/")

    assert is_refusal(problem.reason), problem.reason
    assert "refused" not in problem.reason  # by whoever would have been asked


@pytest.mark.parametrize("bad", ["169.254.169.254", "0.0.0.0", "168.63.129.16"])  # noqa: S104
async def test_security_row_6_a_name_that_turns_bad_is_caught_when_it_is_dialled(bad: str) -> None:
    async with (
        name_server({"rebind.test": [["127.0.0.1"], [bad]]}) as (names, resolver),
        Outbound.open(public_only=False, resolver=resolver) as client,
        endpoint() as first,
        endpoint() as second,
    ):
        good = await client.send(
            Request(method="GET", url=f"http://rebind.test:{first.port}/", timeout=10)
        )
        problem = await failure(client, f"http://rebind.test:{second.port}/")

    assert good.status == 200
    assert f"{bad} is " in problem.reason
    assert "never called" in problem.reason
    assert problem.permanent
    assert names.asked == ["rebind.test", "rebind.test"]
    assert second.connections == 0


async def test_security_row_6_a_public_name_that_turns_private_is_caught_too() -> None:
    answers = {"rebind.test": [["127.0.0.1"], ["10.0.0.1"], ["::ffff:127.0.0.1"]]}
    async with (
        name_server(answers) as (names, resolver),
        Outbound.open(public_only=True, resolver=resolver) as client,
        endpoint() as server,
    ):
        for place in range(3):
            problem = await failure(client, f"http://rebind.test:{server.port + place}/")
            assert "TINYFORGE_OUTBOUND=public allows no other" in problem.reason

    assert len(names.asked) == 3
    assert server.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["169.254.169.254", "127.0.0.1"],
        ["127.0.0.1", "169.254.169.254"],
        ["0.0.0.0", "169.254.170.2", "127.0.0.1"],  # noqa: S104 - an answer
    ],
)
async def test_security_row_6_of_several_addresses_only_allowed_ones_are_dialled(
    addresses: Sequence[str],
) -> None:
    async with (
        name_server({"mixed.test": [addresses]}) as (_, resolver),
        Outbound.open(public_only=False, resolver=resolver) as client,
        endpoint() as server,
    ):
        response = await client.send(
            Request(method="GET", url=f"http://mixed.test:{server.port}/", timeout=10)
        )

    assert response.status == 200
    assert server.connections == 1


# --- redirects


def to(where: str, status: str = "302 Found") -> bytes:
    return answer(status, b"", f"Location: {where}")


async def follow(client: Outbound, server: Endpoint, path: str = "/", **more: object) -> Response:
    request = {"method": "GET", "url": f"{server.url}{path}", "timeout": 10.0, "redirects": 3}
    return await client.send(Request(**{**request, **more}))  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["169.254.169.254", "0xa9fea9fe", "[::ffff:169.254.169.254]"])
async def test_security_row_6_every_hop_of_a_redirect_is_judged(
    anything: Outbound, bad: str
) -> None:
    async with endpoint() as last, endpoint(to("http://x.invalid/")) as server:
        server.answers[:] = [to("/again"), to(f"http://{bad}/latest/meta-data/")]
        problem = await failure(anything, server.url, redirects=3)

    assert "never called" in problem.reason
    assert [call.line for call in server.calls] == ["GET / HTTP/1.1", "GET /again HTTP/1.1"]
    assert last.connections == 0


async def test_security_row_6_a_redirect_to_a_name_that_turned_bad_is_caught() -> None:
    answers = {"rebind.test": [["127.0.0.1"], ["0.0.0.0"]]}  # noqa: S104 - an answer
    async with (
        name_server(answers) as (_, resolver),
        Outbound.open(public_only=False, resolver=resolver) as client,
        endpoint() as second,
        endpoint(to(f"http://rebind.test:{second.port}/")) as first,
    ):
        problem = await failure(client, f"http://rebind.test:{first.port}/", redirects=3)

    assert "0.0.0.0 is an unspecified address, which is never called" in problem.reason
    assert (first.connections, second.connections) == (1, 0)


async def test_security_row_6_another_origin_gets_no_credentials(anything: Outbound) -> None:
    secret = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "s=s3cret"}
    async with endpoint() as other, endpoint(to(f"{other.url}/new")) as server:
        url = f"http://user:s3cret@127.0.0.1:{server.port}/"
        response = await follow(anything, server, url=url, headers={"X-Api-Key": "s3cret"})
        assert response.status == 200
        await follow(anything, server, headers=secret)

    assert len(other.calls) == 2
    for call in other.calls:
        assert "s3cret" not in f"{call.line}{call.headers}"
        assert set(call.headers) <= {"host", "user-agent", "accept", "accept-encoding"}
    assert "authorization" in server.calls[0].headers


@pytest.mark.parametrize("where", ["http://user:pass@{host}/new", "//user:pass@{host}/new"])
async def test_security_row_6_a_redirect_brings_no_login_of_its_own(
    anything: Outbound, where: str
) -> None:
    async with endpoint() as other:
        there = where.format(host=f"127.0.0.1:{other.port}")
        async with endpoint(to(there)) as server:
            await follow(anything, server)

    (call,) = other.calls
    assert "authorization" not in call.headers


async def test_the_same_origin_keeps_login_and_headers(anything: Outbound) -> None:
    async with endpoint() as server:
        server.answers[:] = [to(f"{server.url}/new"), answer("200 OK")]
        url = f"http://user:pass@127.0.0.1:{server.port}/"
        await follow(anything, server, url=url, headers={"X-Api-Key": "k"})

    first, second = server.calls
    assert second.headers["x-api-key"] == "k"
    assert second.headers["authorization"] == first.headers["authorization"]


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
async def test_security_row_6_a_body_goes_to_no_other_origin(
    anything: Outbound, status: str
) -> None:
    async with endpoint() as other, endpoint(to(other.url, status)) as server:
        response = await follow(anything, server, method="POST", body=b"s3cret")

    assert response.status == int(status[:3])
    assert other.connections == 0


@pytest.mark.parametrize(
    ("status", "method", "then", "keeps_body"),
    [
        ("301 Moved", "POST", "GET", False),
        ("302 Found", "POST", "GET", False),
        ("303 See Other", "POST", "GET", False),
        ("303 See Other", "PUT", "GET", False),
        ("301 Moved", "PUT", "PUT", True),
        ("307 Temporary Redirect", "POST", "POST", True),
        ("308 Permanent Redirect", "POST", "POST", True),
    ],
)
async def test_method_and_body_follow_as_http_says(
    anything: Outbound, status: str, method: str, then: str, keeps_body: bool
) -> None:
    async with endpoint() as server:
        server.answers[:] = [to("/new", status), answer("200 OK")]
        headers = {"Content-Type": "text/plain"}
        await follow(anything, server, method=method, body=b"hello", headers=headers)

    call = server.calls[1]
    assert call.line == f"{then} /new HTTP/1.1"
    assert call.body == (b"hello" if keeps_body else b"")
    assert ("content-type" in call.headers) is keeps_body


@pytest.mark.parametrize(
    "where",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:70/x",
        "javascript:alert(1)",
        "http://[::1",
        "http://a:99999/",
        "",
    ],
)
async def test_a_redirect_that_leads_nowhere_is_the_answer(anything: Outbound, where: str) -> None:
    async with endpoint(to(where)) as server:
        response = await follow(anything, server)

    assert response.status == 302
    assert len(server.calls) == 1


async def test_redirects_in_a_circle_end(anything: Outbound) -> None:
    async with endpoint(to("/")) as server:
        response = await follow(anything, server)

    assert response.status == 302
    assert len(server.calls) == 4


@pytest.mark.parametrize("redirects", [-1, 6])
def test_a_workload_follows_at_most_5(redirects: int) -> None:
    with pytest.raises(ValueError, match="redirects"):
        Http(url="https://example.org/", redirects=redirects)
