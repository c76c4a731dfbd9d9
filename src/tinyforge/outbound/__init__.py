"""The one HTTP client for calls to the outside; every address is judged when it is dialled."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from functools import cache
from types import MappingProxyType
from weakref import WeakKeyDictionary

from aiohttp import (
    AddrInfoType,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver

from tinyforge import __version__
from tinyforge.errors import InvalidConfig, OutboundFailed
from tinyforge.outbound.addresses import POLICY, refusal
from tinyforge.outbound.messages import Request, Response, url_of
from tinyforge.outbound.redirects import redirected

__all__ = ["Outbound", "Request", "Response", "close_outbound", "outbound", "refusal"]

LARGEST_ANSWER = 1024 * 1024
TIMEOUT = ClientTimeout(total=None, sock_connect=30.0)
KEEP_ALIVE = 4.0  # below what servers keep: one that hangs up as we send looks like a failure
ALWAYS = MappingProxyType({"User-Agent": f"tinyforge/{__version__}", "Accept-Encoding": "identity"})


class Outbound:
    """No proxies, no cookies; certificates are checked. Redirects only where a request allows them.

    An environment's proxies or a library's resolver never come between the guard and the address.
    """

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, public_only: bool, resolver: AbstractResolver | None = None
    ) -> AsyncIterator[Outbound]:
        """Without a *resolver* the system's own is asked."""
        connector = TCPConnector(
            limit=0,
            keepalive_timeout=KEEP_ALIVE,
            resolver=resolver or ThreadedResolver(),
            socket_factory=_dialler(public_only=public_only),
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
        try:
            async with asyncio.timeout(request.timeout):
                answer = await self._once(request)
                for _ in range(request.redirects):
                    further = redirected(request, answer)
                    if further is None:
                        break
                    request = further
                    answer = await self._once(request)
                return answer
        except (ClientError, OSError, ValueError) as problem:
            raise _failure(problem) from problem

    async def _once(self, request: Request) -> Response:
        async with self._session.request(
            request.method,
            url_of(request.url),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=TIMEOUT,
        ) as response:
            return await _read(response)


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
        case ClientConnectorError():
            return _unreached(problem)
        case InvalidURL():
            return OutboundFailed("has no valid URL", permanent=True)
        case TimeoutError():
            return OutboundFailed("did not answer in time")
    name = type(problem).__name__
    return OutboundFailed(
        f"gave no complete answer ({name})", permanent=isinstance(problem, ValueError)
    )


def _unreached(problem: ClientConnectorError) -> OutboundFailed:
    number = problem.os_error.errno
    told = problem.os_error.strerror or str(problem.os_error)
    match problem:
        case ClientConnectorCertificateError():
            why = f"has a certificate that is not trusted: {problem.certificate_error}"
            return OutboundFailed(why, permanent=True)
        case ClientSSLError():
            why = f"agreed on no encryption from TLS 1.2 on: {told}"
            return OutboundFailed(why, permanent=number == ssl.SSL_ERROR_SSL)
        case ClientConnectorDNSError():
            return OutboundFailed(f"could not be reached: no address found for {problem.host}")
    refused = number == errno.EPERM  # by ourselves, who then say why
    why = os.strerror(number) if number and not refused else told
    return OutboundFailed(f"could not be reached: {why}", permanent=refused)


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
