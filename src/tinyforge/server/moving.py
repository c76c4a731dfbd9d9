"""Moving between a file and a PostgreSQL, while no server serves either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, cast

from tinyforge import __version__
from tinyforge.clock import SECOND, Clock, SystemClock
from tinyforge.operations.moving import Move, MoveView, Progress
from tinyforge.operations.serving import Serving
from tinyforge.store.port.moving import Side, Target
from tinyforge.store.sqlite import moving as files


class Opens(Protocol):
    """`store.postgres.moving`, whose driver is imported only where it is used."""

    def open_source(self, url: str, clock: Clock) -> AbstractAsyncContextManager[Side]: ...

    def open_target(self, url: str, clock: Clock) -> AbstractAsyncContextManager[Target]: ...


def run(source: Path | str, target: Path | str, tell: Callable[[Progress], None]) -> MoveView:
    """Do `move` in a loop of its own."""
    return asyncio.run(move(source, target, tell))


async def move(
    source: Path | str, target: Path | str, tell: Callable[[Progress], None]
) -> MoveView:
    """Move everything; a path is a data folder, a text the address of a PostgreSQL.

    Refused, StoreUnavailable, NewerSchema: the target is as it was, and so is the source always.
    """
    clock = SystemClock()
    serving = Serving(
        version=__version__,
        data=Path(),
        database=None,
        tick_interval=30 * SECOND,
        unready=lambda: None,
    )
    async with _source(source, clock) as there, _target(target, clock) as here:
        return await Move(there, here, clock, serving, version("tzdata"), tell).move()


@asynccontextmanager
async def _source(where: Path | str, clock: Clock) -> AsyncIterator[Side]:
    if isinstance(where, str):
        async with _shared().open_source(where, clock) as shared:
            yield shared
        return
    with files.open_source(where) as file:
        yield file


@asynccontextmanager
async def _target(where: Path | str, clock: Clock) -> AsyncIterator[Target]:
    if isinstance(where, str):
        async with _shared().open_target(where, clock) as shared:
            yield shared
        return
    with files.open_target(where, clock.now()) as file:
        yield file


def _shared() -> Opens:
    return cast("Opens", import_module("tinyforge.store.postgres.moving"))
