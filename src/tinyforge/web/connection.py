"""One connection: who is at the other end, and how long it may take to say what it wants."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
from enum import Enum, auto
from typing import cast

from litestar.types import HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tinyforge.web.crowd import Crowd, Why

HEADER_DEADLINE = 10  # seconds
LOOKED_AT = 10  # seconds between two looks at a body that is not whole
SLOWEST = 1024  # bytes of a body per second
MOST_LOOKS = 3
ANSWER_DEADLINE = 30  # seconds for the other end to take some of an answer
LONGEST_HEAD = 64 * 1024  # bytes of a request's line and headers
MARKS = len(": \r\n")
MOST_PIPELINED = 32  # requests that wait behind one
PEER = struct.Struct("3i")  # pid, uid, gid


def _last_words(status: str, text: str) -> bytes:
    """Return an answer of the connection itself: nothing of it went on to the app."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\n"
    return f"{head}connection: close\r\n\r\n{text}".encode()


TOO_SLOW = _last_words("408 Request Timeout", "the request did not come in time\n")
TOO_LONG = _last_words("431 Request Header Fields Too Large", "the headers are too long\n")
NO_HTTP = _last_words("400 Bad Request", "this is no HTTP/1.1 request\n")


class Part(Enum):
    """What of a request comes next."""

    HEAD = auto()
    BODY = auto()
    NONE = auto()  # it is whole


class Connection(HttpToolsProtocol):
    """A connection of the Unix socket acts as its user, if that may; one of TCP as nobody."""

    _next = Part.HEAD
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None  # runs while the other end takes no answer
    _chunk = 0  # bytes that came last
    _is_alone = True  # they hold nothing but the request that begins there
    _came = 0  # bytes of this head; of a body, since it was last looked at
    _looks = 0
    _is_too_long = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        uid = peer_uid(transport)
        if uid is None:
            self._crowd.enter(self, self.client[0] if self.client else "")
        elif uid in (os.geteuid(), 0):
            self.app_state = {"actor": f"local:{user_name(uid)}"}
        else:
            self.app_state = {"other_user": user_name(uid)}
        self._press()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._chunk = len(data)
        self._came += len(data)
        self._is_alone = self._next is not Part.BODY
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._next is Part.HEAD and self._came > LONGEST_HEAD:
            self._refuse(TOO_LONG)
        elif self._next is Part.NONE and self._is_asked():
            self._disarm()
            self._crowd.finish(self)
        else:
            self._press()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.resume_writing()
        self._crowd.leave(self)
        super().connection_lost(exc)

    def close(self) -> None:
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._next, self._came = Part.HEAD, self._chunk if self._is_alone else 0
        self._is_alone = False

    def on_headers_complete(self) -> None:
        self._is_too_long = self._came + self._chunk > LONGEST_HEAD < self._head()
        if self._is_too_long or len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("it ends here")  # the parser has its own error follow
        super().on_headers_complete()
        if self.parser.should_upgrade():  # nothing that follows would be read
            self.cycle.keep_alive = False
        self._crowd.hear(self, cast("HTTPScope", self.scope))
        self._next, self._came, self._looks = Part.BODY, 0, 0
        self._disarm()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._next = Part.NONE

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:  # what waits already is enough
            self.flow.pause_reading()
        elif self._next is Part.NONE and not self._is_asked():
            self._crowd.rest(self)

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused, unless that would get in between other answers."""
        del msg
        self._refuse(TOO_LONG if self._is_too_long else NO_HTTP)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(ANSWER_DEADLINE, self._abandon)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    @property
    def _crowd(self) -> Crowd:
        return cast("Crowd", self.server_state)

    def _head(self) -> int:
        lines = (len(name) + len(value) + MARKS for name, value in self.headers)
        return len(self.url) + sum(lines)

    def _is_asked(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _press(self) -> None:
        """See to it that the rest comes in time."""
        if self._deadline is None:
            wait = LOOKED_AT if self._next is Part.BODY else HEADER_DEADLINE
            self._deadline = self.loop.call_later(wait, self._look)
        self._crowd.begin(self)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if not self._is_slow():
            self._press()
            return
        self._refuse(TOO_SLOW)
        self._crowd.count(Why.BODY if self._next is Part.BODY else Why.HEADERS)

    def _is_slow(self) -> bool:
        """Say whether the other end is: not where it is we who do not read, or have to answer."""
        if self._next is not Part.BODY:
            return not self._is_asked()
        self._looks += 1
        came, self._came = self._came, 0
        slow = came < SLOWEST * LOOKED_AT or self._looks >= MOST_LOOKS
        return slow and not self.flow.read_paused

    def _refuse(self, answer: bytes) -> None:
        if self._is_silent():
            self.transport.write(answer)
        self.transport.close()

    def _is_silent(self) -> bool:
        """Say whether no other answer is under way or awaited."""
        if self._next is Part.BODY:
            return not (self.pipeline or self.cycle.response_started)
        return not self._is_asked()

    def _abandon(self) -> None:
        self._crowd.count(Why.ANSWER)
        self.transport.abort()


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
