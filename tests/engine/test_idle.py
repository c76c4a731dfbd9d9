"""A server with nothing to do does nothing: no part of it goes round and round."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engine.house import kinds
from tinyforge.clock import Micros
from tinyforge.observe.events import TickBegan
from tinyforge.server.assembly import Engine, Surroundings, assemble
from tinyforge.settings import Settings
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock

ROUNDS = 300  # of the loop
PARTS = ("ticker", "runner", "logs", "janitor")


class CountingClock(MovableClock):
    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    async def wait(self, signal: asyncio.Event, at_most: Micros) -> None:
        self.waits += 1
        await super().wait(signal, at_most)


@pytest.mark.parametrize("part", PARTS)
async def test_an_idle_part_waits(part: str, tmp_path: Path) -> None:
    clock, ticks = CountingClock(), []
    settings = Settings(data=tmp_path)
    async with SqliteStore.open(tmp_path, clock) as store:

        def observe(happening: object) -> None:
            if isinstance(happening, TickBegan):
                ticks.append(happening)

        around = Surroundings(store=store, plugins=kinds(), clock=clock, observe=observe)
        engine = assemble(around, settings)
        running = asyncio.create_task(_part(engine, part))
        await clock.waited_for()
        begun = clock.waits
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
        assert clock.waits - begun <= 1
        assert len(ticks) <= 2
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _part(engine: Engine, part: str) -> None:
    parts = {
        "ticker": engine.ticker,
        "runner": engine.runner,
        "logs": engine.logs,
        "janitor": engine.janitor,
    }
    await parts[part].run()
