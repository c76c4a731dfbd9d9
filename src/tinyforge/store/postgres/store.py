"""The store on PostgreSQL, opened and closed as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tinyforge.errors import StoreUnavailable
from tinyforge.store.postgres.access import AccessRows
from tinyforge.store.postgres.config import ConfigRows
from tinyforge.store.postgres.connection import ENVIRONMENT, Database
from tinyforge.store.postgres.endpoints import EndpointRows
from tinyforge.store.postgres.heart import Heart
from tinyforge.store.postgres.history import HistoryRows
from tinyforge.store.postgres.hot import HotPath
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.inbox import InboxRows
from tinyforge.store.postgres.listing import ListingRows
from tinyforge.store.postgres.lives import LifeRows
from tinyforge.store.postgres.migrate import bring_up_to_date
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.places import PlaceRows
from tinyforge.store.postgres.registry import leave, register
from tinyforge.store.postgres.runs import RunRows
from tinyforge.store.postgres.secrets import SecretRows
from tinyforge.store.postgres.upkeep import UpkeepRows


class PostgresStore(
    AccessRows,
    ConfigRows,
    EndpointRows,
    HistoryRows,
    ListingRows,
    HotPath,
    InboxRows,
    RunRows,
    SecretRows,
    LifeRows,
    PlaceRows,
    UpkeepRows,
):
    """All roles of the port on one database, beside other replicas."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, house: House) -> AsyncIterator[PostgresStore]:
        """Serve the database as one more replica. NewerSchema, StoreUnavailable."""
        async with Database.open(url, house.clock.monotonic, house.committed) as database:
            await bring_up_to_date(database, house.migrated)
            lease = await register(database, house.version, house.abilities)
            parts = Parts(database, lease.ids, lease.replica, lease.instance, house.clock.monotonic)
            parts.abilities = house.abilities
            heart = Heart(url, parts, house)
            try:
                await heart.beat()
            except ENVIRONMENT as problem:
                raise StoreUnavailable(f"PostgreSQL: {problem}") from problem
            beating = asyncio.create_task(heart.run(), name="lease")
            try:
                yield cls(parts)
            finally:
                beating.cancel()
                await asyncio.wait([beating])
                heart.hang_up()  # where it was cancelled before it began
                with suppress(StoreUnavailable):
                    await leave(database, parts.instance)
