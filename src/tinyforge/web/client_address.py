"""The address that a call comes from, as far as it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import Final, TypeAlias

from litestar.types import HTTPScope

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

MOST_HOPS: Final = 32
LONGEST_ADDRESS: Final = 64  # letters, a port included


@lru_cache(16)
def networks(texts: tuple[str, ...]) -> Networks:
    """Return the networks that settings name."""
    return tuple(ip_network(text) for text in texts)


def client_address(scope: HTTPScope, trusted: Networks) -> str:
    """Return who asks: the peer, or what proxies that are trusted say of the one before them.

    The right-most hop that is no trusted proxy counts: what is left of it is the sender's to forge.
    Empty: it comes over the Unix socket.
    """
    peer = scope.get("client")
    if peer is None:
        return ""
    found = _read(peer[0])
    if found is None:
        return peer[0]
    for hop in _hops(scope) if _is_among(found, trusted) else ():
        before = _read(hop)
        if before is None:  # nobody knows what that proxy meant
            break
        found = before
        if not _is_among(found, trusted):
            break
    return str(found)


def is_trusted(scope: HTTPScope, trusted: Networks) -> bool:
    """Say whether the peer is a proxy whose word counts."""
    peer = scope.get("client")
    found = None if peer is None else _read(peer[0])
    return found is not None and _is_among(found, trusted)


def _hops(scope: HTTPScope) -> Iterable[str]:
    """Yield the hops of all X-Forwarded-For headers, the last one first."""
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    written = b",".join(lines).decode("latin-1")
    return islice((hop.strip() for hop in reversed(written.split(","))), MOST_HOPS)


@lru_cache(1_024)
def _read(text: str) -> Address | None:
    """Read an address, with a port or without; one of IPv4 in IPv6 is that of IPv4."""
    if len(text) > LONGEST_ADDRESS:
        return None
    bare = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_among(address: Address, trusted: Networks) -> bool:
    return any(address.version == network.version and address in network for network in trusted)
