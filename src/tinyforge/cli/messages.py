"""Server-sent events: lines -> messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

LONGEST_LINE = 4 << 20  # bytes


class Message(Struct, frozen=True, kw_only=True):
    """*id*: where to go on from, when the connection is lost after this one."""

    id: str
    name: str
    data: bytes


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """Yield each message that came whole; comments, which only say that all is well, are not."""
    identity, name, data = "", "message", list[bytes]()
    for raw in lines:
        line = raw.rstrip(b"\r\n")
        if not line:
            if data:
                yield Message(id=identity, name=name, data=b"\n".join(data))
            name, data = "message", []
            continue
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match key:
            case b"id":
                identity = value.decode(errors="replace")
            case b"event":
                name = value.decode(errors="replace")
            case b"data":
                data.append(value)
            case _:
                continue
