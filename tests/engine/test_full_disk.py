"""A disk without room, one that cannot be written, a writer that never lets go."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.engine.disks import NO_ROOM, fill, may_mount, read_only, room_for_pages, small_disk
from tests.engine.house import PARTS, TICK, Happenings, House, a_server, open_house
from tests.engine.kinds import gate
from tinyforge.clock import HOUR, MINUTE
from tinyforge.errors import StoreUnavailable
from tinyforge.model import RunState
from tinyforge.observe.events import (
    EventsAccepted,
    EventsFannedOut,
    Recorded,
    RecordingFailed,
    SchedulesFired,
)
from tinyforge.observe.ready import Readiness
from tinyforge.server.running import Server
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.testing.clock import MovableClock

MANY = 300
DISPATCHED = (SchedulesFired, EventsAccepted, EventsFannedOut)
HOLD_THE_LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
"""
needs_a_small_disk = pytest.mark.skipif(not may_mount(), reason="only root may mount a file system")


async def test_without_room_nothing_fires_unrecorded_and_all_is_caught_up(house: House) -> None:
    numbers = house.sites(MANY)
    ready = Readiness(house.clock.monotonic, TICK)
    assert await house.sweep()
    house.happened.forget()
    with room_for_pages(house, NO_ROOM):
        for _ in range(5):
            house.clock.move(MINUTE)
            assert not await house.sweep()
        assert [one for one in house.happened.all if isinstance(one, DISPATCHED)] == []
        for happening in house.happened.all:
            ready(happening)
        assert "cannot be recorded" in (ready.problem() or "")
        assert len(house.happened.of(RecordingFailed)) == 5
    assert await house.sweep()
    ready(house.happened.of(Recorded)[-1])
    assert ready.problem() is None
    await house.settle()
    for number in (numbers[0], numbers[-1]):
        _, last = await house.events(number)
        assert (last.window, last.folded) == (house.clock.now(), 4)
    assert await house.faults() == []


async def test_without_room_an_event_is_refused_and_not_lost_half(house: House) -> None:
    button = house.trigger("button", "manual")
    house.bind(button, house.workload("site"))
    assert await house.sweep()
    with room_for_pages(house, NO_ROOM), pytest.raises(StoreUnavailable):
        await house.fire(button, large="x" * 200_000)
    assert await house.events(button) == []
    await house.fire(button, large="x" * 200_000)
    await house.settle()
    assert [run.state for run in await house.runs()] == [RunState.SUCCEEDED]


@pytest.mark.slow
async def test_an_outcome_is_kept_until_there_is_room_for_it(house: House) -> None:
    button = house.trigger("button", "manual")
    works = [house.workload(f"w{n}", "held", gate="no-room") for n in range(6)]
    for work in works:
        house.bind(button, work)
    assert await house.sweep()
    await house.fire(button)
    await house.engine.runner.turn()
    async with held_lock(house.folder):
        gate("no-room").set()
        while not house.happened.of(RecordingFailed):
            await house.engine.runner.turn()
            await asyncio.sleep(0)
    await house.settle()
    assert [run.state for run in await house.runs()] == [RunState.SUCCEEDED] * 6
    assert [run.attempt for run in await house.runs()] == [1] * 6


async def test_the_chores_go_on_without_room(house: House) -> None:
    house.sites(MANY)
    assert await house.sweep()
    with room_for_pages(house, NO_ROOM):
        await house.engine.janitor.step()
        house.clock.move(2 * HOUR)
        await house.engine.janitor.step()
    await house.engine.janitor.step()


@pytest.mark.slow
async def test_while_another_program_holds_the_lock_nothing_is_lost(house: House) -> None:
    number = house.site()
    assert await house.sweep()
    house.clock.move(MINUTE)
    async with held_lock(house.folder):
        assert not await house.sweep()
        (said,) = house.happened.of(RecordingFailed)
        assert "locked" in said.problem
        assert len(await house.events(number)) == 1
    assert await house.sweep()
    assert len(await house.events(number)) == 2


@needs_a_small_disk
async def test_a_full_file_system_is_survived_and_caught_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as disk:
        async with serving(disk / "data") as (happened, server, clock):
            ballast = fill(disk)
            for _ in range(3):
                await tick_by(clock, MINUTE)
                await happened.wait_for(RecordingFailed, len(happened.of(RecordingFailed)) + 1)
            await clock.waited_for(PARTS)
            ballast.unlink()
            before = len(happened.of(SchedulesFired))
            await tick_by(clock, MINUTE)
            await happened.wait_for(SchedulesFired, before + 1)
            await server.stop()
        async with open_house(disk / "data", clock) as house:
            assert await house.faults() == []
            assert (await house.events(2))[-1].window == clock.now()
            told = [one for fired in happened.of(SchedulesFired) for one in fired.fired]
            for one in told:  # what still had room in the log is recorded, and nothing else fired
                assert (await house.store.event(one.event_id)).window == one.window


async def test_a_file_that_cannot_be_written_any_more_is_survived(house: House) -> None:
    number = house.site()
    assert await house.sweep()
    house.clock.move(MINUTE)
    with read_only(house):
        assert not await house.sweep()
        assert len(house.happened.of(SchedulesFired)) == 1
        (said,) = house.happened.of(RecordingFailed)
        assert "readonly" in said.problem
    assert await house.sweep()
    assert len(await house.events(number)) == 2


@needs_a_small_disk
async def test_a_start_on_a_disk_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as disk:
        async with open_house(disk / "data"):
            pass
        remount(disk, "ro")
        with pytest.raises(StoreUnavailable, match=r"read.?only|cannot be written"):
            await opened(disk / "data")
        remount(disk, "rw")


@pytest.mark.parametrize("content", [b"this is no database", b"x" * 8192])
async def test_a_file_that_is_no_database_is_refused_with_its_path(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / DATABASE).write_bytes(content)
    with pytest.raises(StoreUnavailable, match=DATABASE):
        await opened(tmp_path)


async def opened(folder: Path) -> None:
    async with open_house(folder):
        pass


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Happenings, Server, MovableClock]]:
    async with open_house(folder) as house:
        house.sites(MANY)
        clock = house.clock
    happened, server = a_server(folder, clock)
    await server.start()
    try:
        yield happened, server, clock
    finally:
        await server.stop()


async def tick_by(clock: MovableClock, by: int) -> None:
    await clock.waited_for(PARTS)
    clock.move(by)


@asynccontextmanager
async def held_lock(folder: Path) -> AsyncIterator[None]:
    """Have a process of its own hold the lock of who writes."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, folder / DATABASE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        await asyncio.to_thread(holder.stdout.readline)
        yield
    finally:
        holder.communicate(b"\n", timeout=20)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)
