"""A server among replicas: each heartbeat steers its clock and wakes what has work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol, cast

from tinyforge import __version__
from tinyforge.clock import SECOND, Micros, SteeredClock
from tinyforge.engine.recovery import Recovery
from tinyforge.engine.runner import Runner
from tinyforge.engine.ticker import Ticker
from tinyforge.errors import StoreUnavailable
from tinyforge.store.port import Store
from tinyforge.store.postgres.house import House, News

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
    _engine: Wakes | None = None
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self, committed: Callable[[Micros], None]) -> AsyncIterator[Store]:
        opens = cast(
            "OpensStore", import_module("tinyforge.store.postgres.store").PostgresStore.open
        )
        house = House(clock=self.clock, version=__version__, committed=committed, hear=self._hear)
        async with opens(self.url, house) as store:
            yield store

    async def run(self, engine: Wakes) -> None:
        """Take over what replicas left that died or stopped, until cancelled."""
        self._engine = engine
        while True:
            await self._left.wait()
            self._left.clear()
            try:
                await engine.recovery.recover_runs()
                await engine.recovery.deliver_alone()
            except StoreUnavailable:
                continue  # said by the ticker; the next heartbeat asks again

    def _hear(self, news: News) -> None:
        self.clock.steer(news.now, news.asked, news.answered)
        engine = self._engine
        if engine is None:
            return
        if news.lease_lost:
            engine.runner.abandon()
        if news.has_dead or news.has_left_events:
            self._left.set()
        is_due = news.next_due_at is not None and news.next_due_at <= news.now + SOON
        if is_due or news.has_unplanned:
            engine.ticker.wake()
        if news.has_ready:
            engine.runner.wake()
