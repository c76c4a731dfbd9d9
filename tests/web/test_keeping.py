"""What a gate keeps an eye on: tokens that end while an answer goes on, and who was refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from tests.operations.house import ME, open_house
from tests.web.knocking import API, HERE, Answered, Door, open_door, scope_of
from tinyforge.clock import SECOND
from tinyforge.observe.events import CallRefused, CallsRefused
from tinyforge.web.access import SAID_EACH, Keeper
from tinyforge.web.gate import Gate, Probes


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_house(tmp_path) as house:
        await house.apply()
        yield open_door(house)


class Endless:
    """An app whose answer goes on until somebody ends it."""

    def __init__(self, *, begins: bool) -> None:
        self.begins, self.asked, self.ended = begins, asyncio.Event(), asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": 200, "headers": []}
        try:
            if self.begins:
                await send(start)
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
            self.asked.set()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


def scope(method: str, token: str) -> HTTPScope:
    return scope_of(method, f"{API}/stream", [("authorization", f"Bearer {token}")], HERE)


@pytest.mark.parametrize("begins", [True, False])
async def test_an_answer_that_goes_on_ends_when_its_token_is_revoked(
    door: Door, begins: bool
) -> None:
    token, app, answered = await door.token("viewer", name="v"), Endless(begins=begins), Answered()
    keeper = Keeper(door.house.doors.admission, door.house.clock, door.happened.append)
    gate = Gate(app, Probes(metrics=lambda: b"", unready=lambda: None), keeper)
    calling = asyncio.create_task(
        Door(door.house, gate, []).call(scope("GET", token), answered, None)
    )
    await app.asked.wait()
    await door.house.doors.tokens.revoke("v", ME)
    async with asyncio.timeout(5):
        await calling
    assert app.ended.is_set()
    assert answered.is_over
    assert answered.status == (200 if begins else 401)


async def test_an_act_goes_on_though_its_token_is_revoked_meanwhile(door: Door) -> None:
    token, app, answered = await door.token("admin", name="a"), Endless(begins=False), Answered()
    keeper = Keeper(door.house.doors.admission, door.house.clock, door.happened.append)
    gate = Gate(app, Probes(metrics=lambda: b"", unready=lambda: None), keeper)
    calling = asyncio.create_task(
        Door(door.house, gate, []).call(scope("POST", token), answered, {})
    )
    await app.asked.wait()
    await door.house.doors.tokens.revoke("a", ME)
    done, _ = await asyncio.wait([calling], timeout=1)
    assert not done
    calling.cancel()
    await asyncio.wait([calling])


async def test_refused_calls_are_all_counted_and_said_now_and_then(door: Door) -> None:
    await door.token("viewer")

    async def knock(times: int) -> None:
        for _ in range(times):
            assert (await door.knock("GET", f"{API}/triggers")).status == 401

    def said() -> list[CallsRefused]:
        return [one for one in door.happened if isinstance(one, CallsRefused)]

    await knock(5)
    assert said() == [CallsRefused(count=1, reason="missing", source=HERE)]
    door.house.clock.advance(SAID_EACH - SECOND)
    await knock(3)
    assert len(said()) == 1
    door.house.clock.advance(SECOND)
    await door.knock("GET", f"{API}/triggers", "tft_" + "x" * 43)
    assert said()[1] == CallsRefused(count=8, reason="unknown", source=HERE)
    counted = [one.reason for one in door.happened if isinstance(one, CallRefused)]
    assert counted == ["missing"] * 8 + ["unknown"]


async def test_a_database_that_does_not_answer_is_no_proof_of_anything(door: Door) -> None:
    token = await door.token("admin")
    door.house.by_hand("ALTER TABLE tokens RENAME TO gone")
    with pytest.raises(Exception, match="no such table"):
        await door.knock("GET", f"{API}/triggers", token)
