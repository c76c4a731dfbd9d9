"""Whoever watches is told everything once, or that something is missing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

from tests.operations.house import ME, SITE, House
from tinyforge.errors import Crowded
from tinyforge.ids import lowest
from tinyforge.model import RunId, RunState
from tinyforge.operations.callers import Caller, Role
from tinyforge.operations.live import Message
from tinyforge.operations.moves import MOST_SHOWN, Sighting
from tinyforge.operations.seats import MOST_STREAMS
from tinyforge.operations.views import ConfigMoved
from tinyforge.store.port import Moves
from tinyforge.store.port.listing import Place

MANY_EVENTS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 899)
INSERT INTO events(id, trigger_id, accepted_at) SELECT ?1 + i, 1, 0 FROM n"""
QUEUED, RUNNING = Place(RunState.QUEUED, 0), Place(RunState.RUNNING, 1)


def moves(runs: dict[RunId, Place], generation: int = 1) -> Moves:
    return Moves(
        generation=generation,
        events=(),
        runs=runs,
        new_runs=len(runs),
        revised=(),
        paused=frozenset(),
    )


async def heard(told: AsyncIterator[Message | None]) -> Message:
    async with asyncio.timeout(10):
        while (message := await anext(told)) is None:
            pass
        return message


def test_the_first_look_tells_nothing() -> None:
    assert Sighting().take(moves({RunId(7): QUEUED}), 0).runs == ()


def test_a_run_is_told_of_at_each_step_and_not_between() -> None:
    sighting = Sighting()
    sighting.take(moves({}), 0)
    for runs, told in (
        ({RunId(7): QUEUED}, [7]),
        ({RunId(7): QUEUED}, []),
        ({RunId(7): RUNNING}, [7]),
        ({RunId(7): RUNNING}, []),
    ):
        assert list(sighting.take(moves(runs), 0).runs) == told


def test_more_than_is_told_one_by_one_is_too_many() -> None:
    sighting = Sighting()
    sighting.take(moves({}), 0)
    many = {RunId(number): QUEUED for number in range(MOST_SHOWN + 1)}
    assert sighting.take(moves(many), 0).too_many
    assert sighting.take(moves(many), 0).runs == []


async def test_who_reads_too_slowly_is_told_that_something_is_missing(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    watching = house.doors.watching.live
    told = await watching.open(ME, None)
    assert (await heard(told)).name == "ready"
    for turn in range(3):
        house.by_hand(MANY_EVENTS, lowest(house.clock.now()) + 50_000 + turn * 1_000)
        await watching.look()
    assert (await heard(told)).name == "reset"
    house.by_hand("UPDATE timing SET paused_at = 1")
    await watching.look()
    assert (await heard(told)).name == "trigger"


async def test_a_binding_is_not_told_to_whoever_sees_a_workload_of_its_name(house: House) -> None:
    text = SITE.replace(
        "workloads:\n", 'workloads:\n  often.site: {kind: command, command: ["true"]}\n'
    )
    await house.apply(text)
    narrowed = Caller(
        actor="token:n", role=Role.VIEWER, triggers=frozenset(), workloads=frozenset({"often.site"})
    )
    watching = house.doors.watching.live
    told = await watching.open(narrowed, None)
    assert (await heard(told)).name == "ready"
    text = text.replace("workload: site}\n", "workload: site, enabled: false}\n", 1)
    await house.apply(text)
    await watching.look()
    await house.apply(text.replace('["true"]', '["false"]', 1))
    await watching.look()
    message = await heard(told)
    assert (message.name, message.data) == (
        "config",
        ConfigMoved(what="workload", name="often.site"),
    )


async def test_streams_end_when_the_server_does(house: House) -> None:
    watching = house.doors.watching
    told = await watching.live.open(ME, None)
    await heard(told)
    ending = asyncio.create_task(anext(told, None))
    watching.closing.close()
    assert await asyncio.wait_for(ending, 10) is None


async def test_nobody_who_watches_takes_no_seat(house: House) -> None:
    watching = house.doors.watching
    told = await watching.live.open(ME, None)
    await heard(told)
    assert watching.seats.taken == 1
    await cast("AsyncGenerator[Message | None]", told).aclose()
    assert watching.seats.taken == 0


async def test_however_many_come_at_once_no_more_get_a_seat_than_there_are(house: House) -> None:
    await house.apply()
    watching = house.doors.watching
    run = (await house.doors.firing.deploy("site", ME)).results[0].run or ""
    coming = [watching.live.open(ME, None) for _ in range(MOST_STREAMS)]
    coming += [watching.tail.open(ME, run, None) for _ in range(MOST_STREAMS)]
    came = await asyncio.gather(*coming, return_exceptions=True)
    assert sum(isinstance(one, Crowded) for one in came) == MOST_STREAMS
    assert watching.seats.taken == MOST_STREAMS


async def test_a_stream_that_nobody_ever_reads_gives_its_seat_back(house: House) -> None:
    watching = house.doors.watching
    told = await watching.live.open(ME, None)
    assert watching.seats.taken == 1
    del told
    async with asyncio.timeout(10):
        while watching.seats.taken:
            gc.collect()
            await asyncio.sleep(0)
