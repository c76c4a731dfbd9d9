"""Which addresses may be called. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from types import MappingProxyType
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

POLICY = "TINYFORGE_OUTBOUND"
NEVER: Mapping[IPv4Network | IPv6Network, str] = MappingProxyType(
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
            ("fd00:c1::a9fe:a9fe/128", "a metadata address"),
            ("fd00:42::42/128", "a metadata address"),
            ("fd00:a9fe:a9fe::1/128", "a metadata address"),
            ("fd00:100::100:200/128", "a metadata address"),
            ("ff00::/8", "a multicast address"),
        )
    }
)
# What IANA's special-purpose registries do not call globally reachable; the interpreter's own
# tables differ between versions. All of 192.0.0.0/24 and 2001::/23 counts as private.
PRIVATE_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
PRIVATE_6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
PUBLIC_6 = IPv6Network("2000::/3")
MAPPED, NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
ENDS_IN_IPV4 = (
    MAPPED,
    NAT64,
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of one network
    IPv6Network("::ffff:0:0:0/96"),  # translated
    IPv6Network("::/96"),  # compatible
)
UNLIKE_IPV4 = (IPv6Address("::"), IPv6Address("::1"))
ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def refusal(address: str, *, public_only: bool) -> str | None:
    """Say why an address must not be dialled, or None. IPv4 inside of IPv6 counts, too."""
    outer = ip_address(address)
    inner = tuple(_inside(outer)) if isinstance(outer, IPv6Address) else ()
    for one in (outer, *inner):
        for network, what in NEVER.items():
            if one in network:
                return f"{address} is {what}, which is never called"
    stands_for_ipv4 = outer in MAPPED or outer in NAT64
    judged = inner if stands_for_ipv4 else (outer, *inner)
    if public_only and not all(map(_is_public, judged)):
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
    if isinstance(address, IPv4Address):
        return not any(address in network for network in PRIVATE_4)
    return address in PUBLIC_6 and not any(address in network for network in PRIVATE_6)
