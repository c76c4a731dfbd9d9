"""Bodies that are read at once: how much of them is held, and whose goes where that is too much."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from litestar.types import HTTPReceiveMessage, HTTPScope, Receive

from tinyforge.web.bodies import MOST_IN_FLIGHT, Bodies, Body, Gone, TooLarge, TooMany

MIB = 1 << 20
NOTHING_DECLARED = cast("HTTPScope", {"headers": []})


class Sender:
    """The other end: it sends what a test says, when that says so."""

    def __init__(self) -> None:
        self._sent: asyncio.Queue[HTTPReceiveMessage] = asyncio.Queue()

    def send(self, size: int, *, more: bool = False) -> Sender:
        part = {"type": "http.request", "body": bytes(size), "more_body": more}
        self._sent.put_nowait(cast("HTTPReceiveMessage", part))
        return self

    def leave(self) -> None:
        self._sent.put_nowait(cast("HTTPReceiveMessage", {"type": "http.disconnect"}))

    @property
    def receive(self) -> Receive:
        return cast("Receive", self._sent.get)


async def read(body: Body, sender: Sender, most: int = MOST_IN_FLIGHT) -> int:
    with body:
        return len(await body.read(NOTHING_DECLARED, sender.receive, most))


async def holding(bodies: Bodies, held: int) -> None:
    async with asyncio.timeout(10):
        while bodies.held != held:
            await asyncio.sleep(0)


async def test_who_holds_a_large_body_back_keeps_nobody_else_out() -> None:
    bodies, slow = Bodies(), Sender().send(MOST_IN_FLIGHT - MIB, more=True)
    reading = asyncio.create_task(read(bodies.one(), slow))
    await holding(bodies, MOST_IN_FLIGHT - MIB)
    assert await read(bodies.one(), Sender().send(MIB, more=True).send(MIB)) == 2 * MIB
    assert bodies.held == 0
    slow.send(1, more=True)
    with pytest.raises(TooMany):
        await reading
    assert bodies.held == 0


async def test_what_came_whole_stays_and_the_next_one_has_to_wait() -> None:
    bodies = Bodies()
    with bodies.one() as whole:
        await whole.read(
            NOTHING_DECLARED, Sender().send(MOST_IN_FLIGHT - MIB).receive, MOST_IN_FLIGHT
        )
        with pytest.raises(TooMany) as many:
            await read(bodies.one(), Sender().send(2 * MIB))
        assert many.value.was_read
        assert bodies.held == MOST_IN_FLIGHT - MIB
    assert bodies.held == 0


async def test_the_larger_of_two_gives_way_even_if_it_is_the_newcomer() -> None:
    bodies, small = Bodies(), Sender().send(MIB, more=True)
    reading = asyncio.create_task(read(bodies.one(), small))
    await holding(bodies, MIB)
    with pytest.raises(TooMany):
        await read(bodies.one(), Sender().send(MOST_IN_FLIGHT))
    small.send(1)
    assert await reading == MIB + 1


async def test_whatever_ends_a_body_all_of_it_is_given_back() -> None:
    bodies = Bodies()
    with pytest.raises(TooLarge) as large:
        await read(bodies.one(), Sender().send(MIB, more=True).send(MIB), most=MIB - 1)
    assert (large.value.size, large.value.was_read) == (2 * MIB, True)
    gone = Sender().send(MIB, more=True)
    gone.leave()
    with pytest.raises(Gone):
        await read(bodies.one(), gone)
    reading = asyncio.create_task(read(bodies.one(), Sender().send(MIB, more=True)))
    await holding(bodies, MIB)
    reading.cancel()
    await asyncio.wait([reading])
    assert bodies.held == 0
