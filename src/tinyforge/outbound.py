"""The one HTTP client for calls to the outside; every address is judged when it is dialled."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from types import MappingProxyType
from typing import TypeAlias
from weakref import WeakKeyDictionary

from aiohttp import (
    AddrInfoType,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)
from msgspec import Struct
from yarl import URL

from tinyforge import __version__
from tinyforge.errors import InvalidConfig, OutboundFailed

Address: TypeAlias = IPv4Address | IPv6Address

POLICY = "TINYFORGE_OUTBOUND"
LARGEST_ANSWER = 1024 * 1024
CONNECT_TIMEOUT = 30.0
KEEP_ALIVE = 4.0  # below what servers keep: one that hangs up as we send looks like a failure
ALWAYS = MappingProxyType({"User-Agent": f"tinyforge/{__version__}", "Accept-Encoding": "identity"})

NEVER = MappingProxyType(
    {
        ip_network(network): what
        for network, what in (
            ("0.0.0.0/8", "an unspecified address"),
            ("169.254.0.0/16", "a link-local or metadata address"),
            ("100.100.100.200/32", "a metadata address"),
            ("168.63.129.16/32", "a metadata address"),
            ("192.0.0.192/32", "a metadata address"),
            ("224.0.0.0/4", "a multicast address"),
            ("240.0.0.0/4", "a reserved or broadcast address"),
            ("::/128", "an unspecified address"),
            ("fe80::/10", "a link-local address"),
            ("fd00:ec2::/64", "a metadata address"),
            ("fd20:ce::254/128", "a metadata address"),
            ("ff00::/8", "a multicast address"),
        )
    }
)
PUBLIC_6 = IPv6Network("2000::/3")
ENDS_IN_IPV4 = tuple(  # mapped, translated, compatible, NAT64 of everybody and of one network
    IPv6Network(network)
    for network in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
UNLIKE_IPV4 = (IPv6Address("::"), IPv6Address("::1"))
ISATAP = (0x0000_5EFE, 0x0200_5EFE)


class Request(Struct, frozen=True, kw_only=True):
    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    timeout: float | None = (
        60.0  # seconds for all of it; None: whoever waits has a limit of its own
    )


class Response(Struct, frozen=True, kw_only=True):
    status: int
    reason: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes  # at most 1 MiB of it


class Outbound:
    """No redirects, no proxies, no cookies; certificates are checked."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(cls, *, public_only: bool) -> AsyncIterator[Outbound]:
        connector = TCPConnector(
            limit=0, keepalive_timeout=KEEP_ALIVE, socket_factory=_dialler(public_only=public_only)
        )
        async with ClientSession(
            connector=connector,
            headers=ALWAYS,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
        ) as session:
            yield cls(session)

    async def send(self, request: Request) -> Response:
        """Return the answer, whatever its status; raise OutboundFailed when there is none."""
        url = _url(request.url)
        timeout = ClientTimeout(total=request.timeout, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._session.request(
                request.method,
                url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                return await _read(response)
        except (ClientError, OSError, ValueError) as problem:
            raise _failure(problem) from problem


def _url(text: str) -> URL:
    """Parse; what it says goes into no error, for it may hold a secret."""
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise OutboundFailed("has no valid URL", permanent=True) from None
    if url.scheme not in {"http", "https"} or not url.host or port is None:
        raise OutboundFailed("needs a URL such as https://host/path", permanent=True)
    return url


async def _read(response: ClientResponse) -> Response:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= LARGEST_ANSWER:
            response.close()  # the rest is not wanted
            break
    return Response(
        status=response.status,
        reason=response.reason or "",
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(body[:LARGEST_ANSWER]),
    )


def _failure(problem: Exception) -> OutboundFailed:
    """Say it in plain words, and without the URL."""
    match problem:
        case ClientConnectorCertificateError():
            why = f"has a certificate that is not trusted: {problem.certificate_error}"
            return OutboundFailed(why, permanent=True)
        case ClientConnectorDNSError():
            return OutboundFailed(f"could not be reached: no address found for {problem.host}")
        case ClientConnectorError():
            number = problem.os_error.errno
            refused = number == errno.EPERM  # by ourselves, who then say why
            why = os.strerror(number) if number and not refused else str(problem.os_error.strerror)
            return OutboundFailed(f"could not be reached: {why}", permanent=refused)
        case InvalidURL():
            return OutboundFailed("has no valid URL", permanent=True)
        case TimeoutError():
            return OutboundFailed("did not answer in time")
    name = type(problem).__name__
    return OutboundFailed(
        f"gave no complete answer ({name})", permanent=isinstance(problem, ValueError)
    )


def refusal(address: str, *, public_only: bool) -> str | None:
    """Say why an address must not be dialled, or None. IPv4 inside of IPv6 counts, too."""
    outer = ip_address(address)
    inner = tuple(_inside(outer)) if isinstance(outer, IPv6Address) else ()
    for one in (outer, *inner):
        for network, what in NEVER.items():
            if one in network:
                return f"{address} is {what}, which is never called"
    if public_only and not all(_is_public(one) for one in inner or (outer,)):
        return f"{address} is not public, and {POLICY}=public allows no other"
    return None


def _inside(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that a translator or a tunnel would take out of it."""
    number = int(address)
    is_isatap = number >> 32 & 0xFFFF_FFFF in ISATAP
    ends_in_ipv4 = is_isatap or any(address in network for network in ENDS_IN_IPV4)
    if ends_in_ipv4 and address not in UNLIKE_IPV4:
        yield IPv4Address(number & 0xFFFF_FFFF)
    if address.sixtofour:
        yield address.sixtofour
    yield from address.teredo or ()


def _is_public(address: Address) -> bool:
    return address.is_global and (isinstance(address, IPv4Address) or address in PUBLIC_6)


def _dialler(*, public_only: bool) -> Callable[[AddrInfoType], socket.socket]:
    def dial(found: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = found
        problem = refusal(str(where[0]), public_only=public_only)
        if problem:
            raise PermissionError(errno.EPERM, problem)
        return socket.socket(family, kind, protocol)

    return dial


@cache
def public_only() -> bool:
    """Return whether only public addresses may be called, as the environment says at first use."""
    policy = os.environ.get(POLICY) or "all"
    if policy not in {"all", "public"}:
        raise InvalidConfig(POLICY, f"{policy!r} means nothing; write all or public")
    return policy == "public"


class _Shared:
    """One client for a loop; the task that opened it closes it, at the latest as the loop ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.client: asyncio.Future[Outbound] = loop.create_future()
        self.task = loop.create_task(self._keep(), context=Context())

    async def _keep(self) -> None:
        async with Outbound.open(public_only=public_only()) as client:
            self.client.set_result(client)
            await asyncio.get_running_loop().create_future()


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


async def outbound() -> Outbound:
    """Return the client that everybody on this loop shares."""
    public_only()  # a wrong setting is the caller's error, not that of a task nobody watches
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop)
    if shared is None or shared.task.done():
        shared = _shared[loop] = _Shared(loop)
    return await asyncio.shield(shared.client)


async def close_outbound() -> None:
    """Close this loop's shared client, if there is one; the next call opens another."""
    shared = _shared.pop(asyncio.get_running_loop(), None)
    if shared is not None:
        shared.task.cancel()
        await asyncio.wait([shared.task])
