"""The store on PostgreSQL, opened and closed as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tinyforge.clock import Clock
from tinyforge.errors import StoreUnavailable
from tinyforge.store.postgres.config import ConfigRows
from tinyforge.store.postgres.connection import Database
from tinyforge.store.postgres.heart import Heart, News
from tinyforge.store.postgres.history import HistoryRows
from tinyforge.store.postgres.hot import HotPath
from tinyforge.store.postgres.lives import LifeRows
from tinyforge.store.postgres.migrate import bring_up_to_date
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.registry import leave, register
from tinyforge.store.postgres.runs import RunRows
from tinyforge.store.postgres.upkeep import UpkeepRows


class PostgresStore(ConfigRows, HistoryRows, HotPath, RunRows, LifeRows, UpkeepRows):
    """All roles of the port on one database, beside other replicas."""

    def __init__(self, parts: Parts, heart: Heart) -> None:
        self._parts, self._heart = parts, heart

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock, version: str) -> AsyncIterator[PostgresStore]:
        """Serve the database as one more replica. NewerSchema, StoreUnavailable."""
        async with Database.open(url) as database:
            await bring_up_to_date(database)
            lease = await register(database, version, clock.now())
            parts = Parts(database, lease.ids, lease.replica, lease.instance, clock.monotonic)
            heart = Heart(url, parts, version)
            await heart.beat()
            beating = asyncio.create_task(heart.run(), name="lease")
            try:
                yield cls(parts, heart)
            finally:
                beating.cancel()
                await asyncio.wait([beating])
                with suppress(StoreUnavailable):
                    await leave(database, parts.instance)

    def listen(self, hear: Callable[[News], None]) -> None:
        """Tell *hear* what each heartbeat brings."""
        self._heart.hear = hear
