"""Reading the bodies of deliveries: each up to its limit, and not too many at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from litestar.types import HTTPScope, Receive

MOST_IN_FLIGHT = 64 * 1024 * 1024  # of all bodies that are read and not answered yet
MOST_DROPPED = 64 * 1024 * 1024  # of one that is too large


class Gone(Exception):
    """The other end left within its request: there is nobody to answer."""


class TooLarge(Exception):
    """More than the endpoint takes. *was_read*: to its end, so that the answer will be heard."""

    def __init__(self, size: int, *, was_read: bool) -> None:
        super().__init__(f"{size} bytes")
        self.size = size
        self.was_read = was_read


class TooMany(Exception):
    """Too much is in flight already; what came of this one is dropped. *was_read*: it was all."""

    def __init__(self, *, was_read: bool) -> None:
        super().__init__("too many bodies")
        self.was_read = was_read


@dataclass
class Bodies:
    """What is held of all bodies together, in bytes.

    Where that is too much, the largest goes that is still on its way: an honest one is whole within
    a moment, so whoever holds much back keeps nobody else out.
    """

    held: int = 0
    _coming: set[Body] = field(default_factory=set)

    def one(self) -> Body:
        return Body(self)

    def begin(self, body: Body) -> None:
        self._coming.add(body)

    def end(self, body: Body) -> None:
        """Note that *body* is whole, or comes no further."""
        self._coming.discard(body)

    def make_room(self, body: Body, size: int) -> bool:
        """Say whether *body*, which is coming, may have *size* bytes more."""
        while self.held + size > MOST_IN_FLIGHT:
            largest = max(self._coming, key=lambda one: one.held)
            if largest.held <= body.held + size:
                return False
            largest.give_up()
        return True


class Body:
    """One request's body. What it takes is given back at the end of the `with` block."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._parts: list[bytes] = []
        self._is_given_up = False
        self.held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        self._release()

    async def read(self, scope: HTTPScope, receive: Receive, most: int) -> bytes:
        """Return the whole body; raise TooLarge, TooMany or Gone."""
        declared = declared_size(scope)
        if declared > most and (declared > MOST_DROPPED or is_asking_first(scope)):
            raise TooLarge(declared, was_read=False)
        self._bodies.begin(self)
        try:
            return await self._whole(receive, most)
        finally:
            self._bodies.end(self)

    def give_up(self) -> None:
        """Keep nothing of it; its reader hears of that with the next part."""
        self._release()
        self._is_given_up = True

    async def _whole(self, receive: Receive, most: int) -> bytes:
        while True:
            part, is_last = await _next(receive)
            self._hold(part, is_last=is_last)
            if self.held > most:
                size = self.held
                self._release()
                size += 0 if is_last else await drop(receive)
                raise TooLarge(size, was_read=size <= MOST_DROPPED)
            if is_last:
                parts, self._parts = self._parts, []
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hold(self, part: bytes, *, is_last: bool) -> None:
        size = len(part)
        if self._is_given_up or not self._bodies.make_room(self, size):
            raise TooMany(was_read=is_last)
        self._parts.append(part)
        self.held += size
        self._bodies.held += size

    def _release(self) -> None:
        self._bodies.held -= self.held
        self.held = 0
        self._parts.clear()


async def drop(receive: Receive) -> int:
    """Read what is left and keep nothing of it; return its size, as far as that was seen.

    An answer that comes before the end of the request may never be heard.
    """
    size, is_last = 0, False
    while size <= MOST_DROPPED and not is_last:
        part, is_last = await _next(receive)
        size += len(part)
    return size


def declared_size(scope: HTTPScope) -> int:
    """Return what the headers say; 0 where they do not."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def is_asking_first(scope: HTTPScope) -> bool:
    """Say whether the other end waits for a word from us before it sends the body."""
    return any(name == b"expect" for name, _ in scope["headers"])


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise Gone
    return message["body"], not message["more_body"]
