"""A name server on UDP, and a resolver that asks it. None of our code."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import cast

from aiohttp.abc import AbstractResolver, ResolveResult

HEAD = struct.Struct("!6H")
RECORD = struct.Struct("!HHHIH")
A, AAAA, IN = 1, 28, 1
RESPONSE = 0x8180
NAME = 0xC00C  # a pointer to the question's name


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Gives each name its next list of addresses, the last one for ever, with a TTL of 0."""

    answers: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        number, _, _, _, _, _ = HEAD.unpack_from(data)
        question = data[HEAD.size :]
        name = ".".join(labels(question))
        lists = self.answers.get(name, [[]])
        addresses = lists[min(self.asked.count(name), len(lists) - 1)]
        self.asked.append(name)
        records = b"".join(map(record, addresses))
        assert self.transport
        head = HEAD.pack(number, RESPONSE, 1, len(addresses), 0, 0)
        self.transport.sendto(head + question + records, addr)


def labels(question: bytes) -> Iterator[str]:
    place = 0
    while length := question[place]:
        yield question[place + 1 : place + 1 + length].decode()
        place += 1 + length


def record(address: str) -> bytes:
    packed = ip_address(address).packed
    kind = A if len(packed) == 4 else AAAA
    return RECORD.pack(NAME, kind, IN, 0, len(packed)) + packed


class Asking(AbstractResolver):
    """Asks a name server over UDP for every connection."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        question = b"".join(bytes([len(one)]) + one.encode() for one in host.split(".")) + b"\0"
        question += struct.pack("!2H", A, IN)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect(self._server)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(asking, HEAD.pack(7, 0x0100, 1, 0, 0, 0) + question)
            answer = await loop.sock_recv(asking, 4_096)
        found = addresses(answer, HEAD.size + len(question))
        return [
            ResolveResult(
                hostname=host, host=str(one), port=port, family=family_of(one), proto=0, flags=0
            )
            for one in found
        ]

    async def close(self) -> None:
        pass


def addresses(answer: bytes, place: int) -> Iterator[IPv4Address | IPv6Address]:
    while place < len(answer):
        *_, length = RECORD.unpack_from(answer, place)
        place += RECORD.size + length
        yield ip_address(answer[place - length : place])


def family_of(address: IPv4Address | IPv6Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


@asynccontextmanager
async def name_server(
    answers: Mapping[str, Sequence[Sequence[str]]],
) -> AsyncIterator[tuple[NameServer, Asking]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(answers), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, Asking(transport.get_extra_info("sockname"))
    finally:
        transport.close()
