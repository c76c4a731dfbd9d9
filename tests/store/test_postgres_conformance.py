from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest_asyncio

from tests.postgres import GIVEN, execute, own_schema
from tinyforge.store.port import Abilities, Store
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.testing.clock import MovableClock
from tinyforge.testing.store import StoreContract


@dataclass(frozen=True)
class PostgresBench:
    url: str

    @asynccontextmanager
    async def open(self, abilities: Abilities | None = None) -> AsyncIterator[PostgresStore]:
        given = abilities or Abilities()
        house = House(clock=MovableClock(), version="1.0", abilities=given)
        async with PostgresStore.open(self.url, house) as store:
            yield store

    async def by_hand(self, statement: str) -> None:
        await execute(self.url, statement)


class OnPostgres(StoreContract):
    holds_any_type = False

    @pytest_asyncio.fixture
    async def store(self, bench: PostgresBench) -> AsyncIterator[Store]:
        async with bench.open() as store:
            yield store


class TestOwnPostgres(OnPostgres):
    @pytest_asyncio.fixture
    async def bench(self, postgres: str) -> AsyncIterator[PostgresBench]:
        async with own_schema(postgres) as url:
            yield PostgresBench(url)


if GIVEN in os.environ:

    class TestGivenPostgres(OnPostgres):
        @pytest_asyncio.fixture
        async def bench(self) -> AsyncIterator[PostgresBench]:
            async with own_schema(os.environ[GIVEN]) as url:
                yield PostgresBench(url)
