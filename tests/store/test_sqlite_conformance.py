from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest
import pytest_asyncio

from tinyforge.store.port import Abilities, Store
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock
from tinyforge.testing.store import StoreContract


@dataclass(frozen=True)
class SqliteBench:
    folder: Path

    @asynccontextmanager
    async def open(self, abilities: Abilities | None = None) -> AsyncIterator[SqliteStore]:
        clock = MovableClock()
        async with SqliteStore.open(self.folder, clock) as store:
            await store.announce("1.0", clock.now(), abilities)
            yield store

    async def by_hand(self, statement: str) -> None:
        other = apsw.Connection(str(self.folder / DATABASE))
        try:
            other.execute(statement)
        finally:
            other.close()


class TestSqlite(StoreContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> SqliteBench:
        return SqliteBench(tmp_path)

    @pytest_asyncio.fixture
    async def store(self, bench: SqliteBench) -> AsyncIterator[Store]:
        async with bench.open() as store:
            yield store
