"""A server among replicas: each heartbeat steers its clock and wakes what has work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol, cast

from tinyforge import __version__
from tinyforge.clock import SECOND, Micros, SteeredClock
from tinyforge.engine.recovery import Recovery
from tinyforge.engine.runner import Runner
from tinyforge.engine.ticker import Ticker
from tinyforge.errors import Conflict, NotFound, StoreUnavailable
from tinyforge.model import RunId
from tinyforge.observe.events import MigrationWaits, Observe, SchemaMigrated
from tinyforge.store.port import Abilities, Store
from tinyforge.store.postgres.house import House, Migrating, News

SOON = 6 * SECOND  # before the next heartbeat, and a little more


class Wakes(Protocol):
    """The parts of an engine that heartbeats concern."""

    @property
    def ticker(self) -> Ticker: ...

    @property
    def runner(self) -> Runner: ...

    @property
    def recovery(self) -> Recovery: ...


class OpensStore(Protocol):
    """`PostgresStore.open`, whose driver is imported only where it is used."""

    def __call__(self, url: str, house: House) -> AbstractAsyncContextManager[Store]: ...


@dataclass
class Replica:
    url: str
    clock: SteeredClock
    observe: Observe
    _engine: Wakes | None = None
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _has_left: bool = False
    _cancels: Mapping[RunId, str] = field(default_factory=dict)

    @asynccontextmanager
    async def open(
        self, committed: Callable[[Micros], None], abilities: Abilities
    ) -> AsyncIterator[Store]:
        opens = cast(
            "OpensStore", import_module("tinyforge.store.postgres.store").PostgresStore.open
        )
        house = House(
            clock=self.clock,
            version=__version__,
            local=self.clock.local,
            abilities=abilities,
            committed=committed,
            migrated=self._say_step,
            hear=self._hear,
        )
        async with opens(self.url, house) as store:
            yield store

    def _say_step(self, step: Migrating) -> None:
        if step.waits:
            self.observe(MigrationWaits(schema=step.schema, step=step.name))
        else:
            self.observe(SchemaMigrated(schema=step.schema, step=step.name))

    async def run(self, engine: Wakes) -> None:
        """Take over what replicas left that died or stopped, until cancelled."""
        self._engine = engine
        while True:
            await self._heard.wait()
            self._heard.clear()
            with suppress(StoreUnavailable):  # said by the ticker; the next heartbeat asks again
                await self._cancel(engine.runner)
                if self._has_left:
                    self._has_left = False
                    await engine.recovery.recover_runs()
                    await engine.recovery.deliver_alone()

    async def _cancel(self, runner: Runner) -> None:
        """End what somebody asked another replica to end, and what waits again since then."""
        asked, self._cancels = self._cancels, {}
        for run_id, actor in asked.items():
            with suppress(Conflict, NotFound):  # it is over
                await runner.cancel(run_id, actor)

    def _hear(self, news: News) -> None:
        self.clock.steer(news.now, news.asked, news.answered)
        engine = self._engine
        if engine is None:
            return
        if news.lease_lost:
            engine.runner.wake()  # it lets go of what is not ours any more
        self._cancels = {
            run: by for run, by in news.cancels.items() if not engine.runner.cancel_here(run)
        }
        self._has_left |= news.has_dead or news.has_left_events
        if self._has_left or self._cancels:
            self._heard.set()
        is_due = news.next_due_at is not None and news.next_due_at <= news.now + SOON
        if is_due or news.has_unplanned:
            engine.ticker.wake()
        if news.has_ready:
            engine.runner.wake()
