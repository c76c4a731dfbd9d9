"""One connection: who is at the other end, and how long it may take to say what it wants."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADER_DEADLINE = 10  # seconds
MOST_STRANGERS = 500  # TCP connections at once; those of the Unix socket are not counted
PEER = struct.Struct("3i")  # pid, uid, gid

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Connection(H11Protocol):
    """A connection of the Unix socket acts as its user, if that may; one of TCP as nobody."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        uid = peer_uid(transport)
        if uid is None:
            self._admit_stranger()
        elif uid in (os.geteuid(), 0):
            self.app_state = {"actor": f"local:{user_name(uid)}"}
        else:
            self.app_state = {"other_user": user_name(uid)}
        self._deadline = self.loop.call_later(HEADER_DEADLINE, self._give_up)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._is_asked():
            self._disarm()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_DEADLINE, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _is_asked(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _admit_stranger(self) -> None:
        strangers = sum("actor" not in other.app_state for other in self.connections)
        if strangers > MOST_STRANGERS:
            self.transport.close()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(TOO_SLOW)
            self.transport.close()


def peer_uid(transport: asyncio.BaseTransport) -> int | None:
    """Return the user at the other end of a Unix socket; None: it is another kind of socket."""
    connected = transport.get_extra_info("socket")
    if connected.family != socket.AF_UNIX:
        return None
    _, uid, _ = PEER.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return int(uid)


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
