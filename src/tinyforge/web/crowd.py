"""Who is connected from outside, and who must go where it gets too crowded."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from itertools import chain, islice
from typing import NamedTuple, Protocol

from litestar.types import HTTPScope
from uvicorn.server import ServerState

from tinyforge.observe.events import ConnectionTurnedAway, Observe
from tinyforge.web.client_address import Networks, client_address

MOST_STRANGERS = 2_000  # TCP connections at once; those of the Unix socket are not counted
FILES_FOR_STRANGERS = 2  # one of so many that the process may open
GRACE = 1.0  # seconds in which a request that came whole is read, however busy the server is
NETWORK = 64  # bits of an IPv6 address that one customer has


class Why(StrEnum):
    HEADERS = "headers"  # were not there in time
    BODY = "body"  # came too slowly
    ANSWER = "answer"  # nobody took it
    ADDRESS = "address"  # has too many connections without a whole request
    SERVER = "server"  # has too many connections


class Member(Protocol):
    def close(self) -> None:
        """End the connection without a word."""
        ...


class Owed(NamedTuple):
    """A request that is not whole."""

    since: float  # of the loop's clock
    address: str  # for which it is counted


class Crowd(ServerState):
    """All connections. Of those from outside it knows who has not sent a whole request.

    Where there are too many of these, the oldest go: an honest request is read within a moment.
    So whoever floods an address ends his own connections, and new ones are still served.
    """

    def __init__(self, per_address: int, observe: Observe, trusted: Networks = ()) -> None:
        super().__init__()
        self._observe = observe
        self._per_address = per_address
        self._trusted = trusted
        self._most = most_strangers()
        self._strangers: dict[Member, str] = {}  # the address of each
        self._unfinished: dict[Member, Owed] = {}  # the oldest first
        self._by_address: dict[str, dict[Member, None]] = {}  # the same
        self._idle: dict[Member, None] = {}  # the oldest first
        self._looked_at_soon: set[str] = set()

    def enter(self, member: Member, host: str) -> None:
        self._strangers[member] = neighbourhood(host)
        self.begin(member)
        if len(self._strangers) > self._most:
            self._send_away(self._first_to_go(member), Why.SERVER)

    def begin(self, member: Member) -> None:
        """Note that *member* owes the rest of a request."""
        address = self._strangers.get(member)
        if address is None or member in self._unfinished:
            return
        self._idle.pop(member, None)
        self._unfinished[member] = Owed(asyncio.get_running_loop().time(), address)
        self._join(member, address)

    def hear(self, member: Member, scope: HTTPScope) -> None:
        """Take the headers; what a trusted proxy passes on is counted for whom it names."""
        owed = self._unfinished.get(member)
        if owed is None or not self._trusted:
            return
        address = neighbourhood(client_address(scope, self._trusted))
        if address != owed.address:
            self._part(member, owed.address)
            self._unfinished[member] = owed._replace(address=address)
            self._join(member, address)

    def finish(self, member: Member) -> None:
        """Note that a request of *member* is there and whole."""
        self._idle.pop(member, None)
        owed = self._unfinished.pop(member, None)
        if owed is not None:
            self._part(member, owed.address)

    def rest(self, member: Member) -> None:
        """Note that *member* was answered and owes nothing."""
        if member in self._strangers and member not in self._unfinished:
            self._idle[member] = None

    def leave(self, member: Member) -> None:
        self.finish(member)
        self._strangers.pop(member, None)

    def count(self, why: Why) -> None:
        """Tell that a connection was closed, and why."""
        self._observe(ConnectionTurnedAway(why=why))

    def _join(self, member: Member, address: str) -> None:
        group = self._by_address.setdefault(address, {})
        group[member] = None
        if len(group) > self._per_address:
            self._look_soon(address, group)

    def _part(self, member: Member, address: str) -> None:
        group = self._by_address[address]
        del group[member]
        if not group:
            del self._by_address[address]

    def _first_to_go(self, newcomer: Member) -> Member:
        others = (member for member in self._unfinished if member is not newcomer)
        return next(chain(others, self._idle), newcomer)

    def _look_soon(self, address: str, group: dict[Member, None]) -> None:
        if address not in self._looked_at_soon:
            self._looked_at_soon.add(address)
            oldest = self._unfinished[next(iter(group))].since
            asyncio.get_running_loop().call_at(oldest + GRACE, self._thin_out, address)

    def _thin_out(self, address: str) -> None:
        self._looked_at_soon.discard(address)
        group = self._by_address.get(address, {})
        surplus = len(group) - self._per_address
        for member in list(islice(self._late(group), max(0, surplus))):
            self._send_away(member, Why.ADDRESS)
        if len(group) > self._per_address:
            self._look_soon(address, group)

    def _late(self, group: dict[Member, None]) -> Iterator[Member]:
        before = asyncio.get_running_loop().time() - GRACE
        return (member for member in group if self._unfinished[member].since <= before)

    def _send_away(self, member: Member, why: Why) -> None:
        self.leave(member)
        member.close()
        self.count(why)


def neighbourhood(host: str) -> str:
    """Return what counts as one address: of IPv6 the network that a customer has whole."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> NETWORK << NETWORK))


def most_strangers() -> int:
    """Return how many connections there may be, and files left for the rest of the process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_unlimited = soft == resource.RLIM_INFINITY
    return MOST_STRANGERS if is_unlimited else min(MOST_STRANGERS, soft // FILES_FOR_STRANGERS)
