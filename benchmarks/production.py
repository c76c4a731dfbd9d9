"""The engine among the parts that it has in a real server: log, tally, readiness, checkpoints."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import uvloop

from benchmarks.kinds import plugins
from tinyforge.clock import Micros, SystemClock
from tinyforge.observe.events import Committed, Observe
from tinyforge.observe.listeners import listeners
from tinyforge.observe.log import Log, as_json
from tinyforge.observe.pipe import open_pipe
from tinyforge.observe.ready import Readiness
from tinyforge.observe.tally import Tally
from tinyforge.operations.door import Operations
from tinyforge.operations.serving import Serving
from tinyforge.server.assembly import Engine, Surroundings, assemble
from tinyforge.server.doors import doors_of
from tinyforge.server.process import RARELY, SWITCH_INTERVAL
from tinyforge.server.running import Server
from tinyforge.settings import Listen, Settings, deploys_at_once
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore

T = TypeVar("T")
CLOCK = SystemClock()
MOST_DELIVERIES = 1_000_000  # of one endpoint per second: no limit is to be measured


def run(work: Coroutine[None, None, T]) -> T:
    """Run *work* in a loop like the one of `tinyforge serve`."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*RARELY)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def log_to_nowhere() -> Iterator[Observe]:
    """Give a log that renders every line as JSON and writes it where nothing is kept."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with open_pipe(nowhere) as pipe:
            yield Log(pipe, as_json, CLOCK)
    finally:
        os.close(nowhere)


@asynccontextmanager
async def opened(folder: Path, settings: Settings, *more: Observe) -> AsyncIterator[Engine]:
    """Give an engine over *folder* with its janitor and its logs at work, and no one else."""
    tally = Tally()
    with log_to_nowhere() as log:
        ready = Readiness(CLOCK.monotonic, settings.tick_interval)
        observe = listeners(log, tally, ready, *more)

        def committed(operations: int, took: Micros) -> None:
            observe(Committed(operations=operations, took=took))

        async with SqliteStore.open(folder, CLOCK, committed) as store:
            around = Surroundings(store=store, plugins=plugins(), clock=CLOCK, observe=observe)
            engine = assemble(around, settings)
            beside = [asyncio.create_task(part.run()) for part in (engine.janitor, engine.logs)]
            try:
                yield engine
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)


def operations(engine: Engine, settings: Settings) -> Operations:
    """Return what users can do with *engine*."""
    serving = Serving(
        version="benchmark",
        data=settings.data,
        database=settings.data / DATABASE,
        tick_interval=engine.tick_interval,
        unready=lambda: None,
    )
    return doors_of(engine, serving)


@asynccontextmanager
async def served(
    folder: Path, *more: Observe, concurrency: int = 0, config: Path | None = None
) -> AsyncIterator[Server]:
    """Give a whole server over *folder*, started; it is stopped at the end."""
    settings = Settings(
        data=folder,
        config=config,
        listen=Listen("127.0.0.1", 0),
        grace=0,
        concurrency=concurrency or deploys_at_once(),
        deliveries_per_second=MOST_DELIVERIES,
    )
    with log_to_nowhere() as log:
        server = Server(settings=settings, clock=CLOCK, plugins=plugins(), listening=[log, *more])
        try:
            await server.start()
            yield server
        finally:
            await server.stop()
