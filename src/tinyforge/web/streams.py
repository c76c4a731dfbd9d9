"""Server-sent events: messages as lines of text, with a comment where there is nothing to say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec
from litestar.response import Stream
from msgspec import Struct

from tinyforge.operations.live import Live, Message
from tinyforge.operations.tailing import Part

MEDIA_TYPE = "text/event-stream"
HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
STREAMS: Mapping[str, object] = {"media_type": MEDIA_TYPE, "also": (429,)}
NOTHING = b": nothing yet\n\n"

encode = msgspec.json.Encoder().encode


def live_stream(live: Live, messages: AsyncIterator[Message | None]) -> Stream:
    async def lines() -> AsyncIterator[bytes]:
        async for one in messages:
            yield NOTHING if one is None else _lines(one.name, one.data, live.id_of(one))

    return _stream(lines())


def log_stream(parts: AsyncIterator[Part | None]) -> Stream:
    async def lines() -> AsyncIterator[bytes]:
        async for one in parts:
            number = None if one is None or one.number is None else str(one.number)
            yield NOTHING if one is None else _lines(one.name, one.data, number)

    return _stream(lines())


def _stream(lines: AsyncIterator[bytes]) -> Stream:
    return Stream(lines, media_type=MEDIA_TYPE, headers=dict(HEADERS))


def _lines(name: str, data: Struct, number: str | None) -> bytes:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: ".encode() + encode(data) + b"\n\n"
