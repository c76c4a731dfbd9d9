"""Which addresses are called, against the registries of special addresses."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest

from tinyforge.outbound.addresses import refusal

# IANA's IPv4 and IPv6 Special-Purpose Address Registries, October 2025: block, name, and whether
# it is globally reachable (n/a counts as no, except for 6to4, which the address within decides).
REGISTRY = """
0.0.0.0/8            "This network"                   no
0.0.0.0/32           "This host on this network"      no
10.0.0.0/8           Private-Use                      no
100.64.0.0/10        Shared Address Space             no
127.0.0.0/8          Loopback                         no
169.254.0.0/16       Link Local                       no
172.16.0.0/12        Private-Use                      no
192.0.0.0/24         IETF Protocol Assignments        no
192.0.0.0/29         IPv4 Service Continuity Prefix   no
192.0.0.8/32         IPv4 dummy address               no
192.0.0.9/32         Port Control Protocol Anycast    gateway
192.0.0.10/32        TURN Anycast                     gateway
192.0.0.170/32       NAT64/DNS64 Discovery            no
192.0.0.171/32       NAT64/DNS64 Discovery            no
192.0.2.0/24         Documentation (TEST-NET-1)       no
192.31.196.0/24      AS112-v4                         yes
192.52.193.0/24      AMT                              yes
192.88.99.0/24       Deprecated (6to4 Relay Anycast)  no
192.88.99.2/32       6a44-relay anycast address       no
192.168.0.0/16       Private-Use                      no
192.175.48.0/24      Direct Delegation AS112 Service  yes
198.18.0.0/15        Benchmarking                     no
198.51.100.0/24      Documentation (TEST-NET-2)       no
203.0.113.0/24       Documentation (TEST-NET-3)       no
240.0.0.0/4          Reserved                         no
255.255.255.255/32   Limited Broadcast                no
::1/128              Loopback Address                 no
::/128               Unspecified Address              no
::ffff:0:0/96        IPv4-mapped Address              inner
64:ff9b::/96         IPv4-IPv6 Translat.              inner
64:ff9b:1::/48       IPv4-IPv6 Translat.              no
100::/64             Discard-Only Address Block       no
100:0:0:1::/64       Dummy IPv6 Prefix                no
2001::/23            IETF Protocol Assignments        no
2001::/32            TEREDO                           no
2001:1::1/128        Port Control Protocol Anycast    gateway
2001:1::2/128        TURN Anycast                     gateway
2001:1::3/128        DNS-SD SRP Anycast               gateway
2001:2::/48          Benchmarking                     no
2001:3::/32          AMT                              gateway
2001:4:112::/48      AS112-v6                         gateway
2001:10::/28         Deprecated (ORCHID)              no
2001:20::/28         ORCHIDv2                         gateway
2001:30::/28         Drone Remote ID                  gateway
2001:db8::/32        Documentation                    no
2002::/16            6to4                             inner
2620:4f:8000::/48    Direct Delegation AS112 Service  yes
3fff::/20            Documentation                    no
5f00::/16            Segment Routing (SRv6) SIDs      no
fc00::/7             Unique-Local                     no
fe80::/10            Link-Local Unicast               no
"""
NEVER = (
    "0.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "fe80::/10",
    "ff00::/8",
)
METADATA = {
    "Amazon, Azure, Google, Oracle, OpenStack": "169.254.169.254",
    "Amazon's containers": "169.254.170.2",
    "Amazon's pods": "fd00:ec2::23",
    "Amazon, IPv6": "fd00:ec2::254",
    "Azure's wire server": "168.63.129.16",
    "Alibaba": "100.100.100.200",
    "Alibaba, IPv6": "fd00:100::100:200",
    "Oracle, classic": "192.0.0.192",
    "Oracle, IPv6": "fd00:c1::a9fe:a9fe",
    "Google, IPv6": "fd20:ce::254",
    "Scaleway": "169.254.42.42",
    "Scaleway, IPv6": "fd00:42::42",
    "Linode, IPv6": "fd00:a9fe:a9fe::1",
    "Tencent": "169.254.0.23",
    "OpenStack, IPv6": "fe80::a9fe:a9fe",
}
Network = IPv4Network | IPv6Network


def block(line: str) -> tuple[Network, str]:
    words = line.split()
    return ip_network(words[0]), words[-1]


BLOCKS = [block(line) for line in REGISTRY.strip().splitlines()]
OF = {word: [network for network, reach in BLOCKS if reach == word] for _, word in BLOCKS}
# Reachable by name, but what answers there is this network's own gateway or no server at all.
PRIVATE = [*OF["no"], *OF["gateway"]]


def edges(network: Network) -> set[str]:
    """Give its first and last address and one in between."""
    size = network.num_addresses
    return {str(network[place]) for place in (0, size // 2, size - 1)}


@pytest.mark.parametrize("network", PRIVATE, ids=str)
def test_security_row_6_public_means_what_the_registry_calls_globally_reachable(
    network: Network,
) -> None:
    for address in edges(network):
        assert refusal(address, public_only=True), address


@pytest.mark.parametrize("network", OF["yes"], ids=str)
def test_security_row_6_what_the_registry_calls_globally_reachable_is_public(
    network: Network,
) -> None:
    for address in edges(network):
        assert refusal(address, public_only=True) is None, address


@pytest.mark.parametrize(
    "network", [one for one in PRIVATE if isinstance(one, IPv4Network)], ids=str
)
@pytest.mark.parametrize(
    "wrapped",
    ["::ffff:{v4}", "64:ff9b::{v4}", "2002:{high}:{low}::1"],
    ids=["mapped", "nat64", "6to4"],
)
def test_security_row_6_an_address_within_another_decides(network: Network, wrapped: str) -> None:
    for address in edges(network):
        assert refusal(within(wrapped, address), public_only=True), address
    assert refusal(within(wrapped, "1.1.1.1"), public_only=True) is None


@pytest.mark.parametrize(
    "address",
    [
        "fd12:3456::5efe:1.1.1.1",
        "2001:db8::200:5efe:1.1.1.1",
        "2001:0:101:101::1",
        "::1.1.1.1",
        "::ffff:0:1.1.1.1",
        "64:ff9b:1::1.1.1.1",
    ],
)
def test_security_row_6_a_private_address_is_not_public_for_having_a_public_one_within(
    address: str,
) -> None:
    assert refusal(address, public_only=True)


@pytest.mark.parametrize("network", NEVER)
@pytest.mark.parametrize("public_only", [False, True])
def test_security_row_6_some_blocks_are_never_called(network: str, public_only: bool) -> None:
    for address in edges(ip_network(network)):
        assert "never called" in (refusal(address, public_only=public_only) or ""), address


@pytest.mark.parametrize("address", METADATA.values(), ids=METADATA)
@pytest.mark.parametrize("public_only", [False, True])
def test_security_row_6_no_cloud_tells_its_secrets(address: str, public_only: bool) -> None:
    assert "never called" in (refusal(address, public_only=public_only) or "")


@pytest.mark.parametrize("zone", ["%1", "%eth0", "%25eth0"])
def test_security_row_6_a_zone_changes_nothing(zone: str) -> None:
    assert "never called" in (refusal(f"fe80::1{zone}", public_only=False) or "")
    assert "not public" in (refusal(f"fd12:3456::1{zone}", public_only=True) or "")


def within(form: str, address: str) -> str:
    number = int(ip_network(address).network_address)
    return form.format(v4=address, high=f"{number >> 16:x}", low=f"{number & 0xFFFF:x}")
