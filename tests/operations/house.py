"""A whole house on a real file, its clock moved by hand, its parts stepped one by one."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path

import apsw

from tinyforge.clock import SECOND, Micros, Moment
from tinyforge.engine.runner import Runner
from tinyforge.engine.ticker import Ticker
from tinyforge.engine.vault import Vault
from tinyforge.model import RunState
from tinyforge.observe.events import Happening
from tinyforge.operations.answers import PlanView
from tinyforge.operations.callers import local
from tinyforge.operations.door import Operations, Parts, open_door
from tinyforge.operations.serving import Serving
from tinyforge.operations.views import ManifestRequest
from tinyforge.plugins import Plugins
from tinyforge.server.assembly import Surroundings, assemble
from tinyforge.settings import Settings
from tinyforge.store.port import RunFilter
from tinyforge.store.sqlite.store import SqliteStore

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
BEGIN: Moment = 1_767_614_400_000_000  # 2026-01-05T12:00:00Z, a Monday
ME = local("me")
SITE = """
version: 1
workloads:
  site: {kind: command, command: ["true"]}
triggers:
  often: {kind: schedule, interval: 10m}
  nightly: {kind: schedule, cron: "0 3 * * *", timezone: Europe/Berlin}
  button: {kind: manual}
bindings:
  - {trigger: often, workload: site}
  - {trigger: nightly, workload: site}
  - {trigger: button, workload: site, match: {branch: main}}
"""


@dataclass
class HandClock:
    """It stands still until somebody moves it."""

    at: Moment = BEGIN

    def now(self) -> Moment:
        return self.at

    def monotonic(self) -> Micros:
        return self.at

    async def wait(self, signal: asyncio.Event, at_most: Micros) -> None:
        """Wait for the signal; nobody waits for time, which stands still."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(at_most / SECOND, 0.02)):
                await signal.wait()
        signal.clear()

    def advance(self, by: Micros) -> None:
        self.at += by


def built_in_kinds() -> Plugins:
    groups = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    return Plugins(
        EntryPoint(name, value, group)
        for group, points in groups.items()
        for name, value in points.items()
    )


@dataclass
class House:
    folder: Path
    clock: HandClock
    store: SqliteStore
    ticker: Ticker
    runner: Runner
    doors: Operations
    vault: Vault
    happened: list[Happening] = field(default_factory=list)

    async def apply(self, text: str = SITE, **asked: bool) -> PlanView:
        return await self.doors.manifests.apply(request(text, **asked), ME)

    async def pass_time(self, by: Micros) -> None:
        """Let time go by, then sweep once."""
        self.clock.advance(by)
        assert await self.ticker.tick()

    async def work(self) -> None:
        """Run what is queued to its end."""
        loops = [self.runner.run(), self.runner.logs.run()]
        working = [asyncio.create_task(loop) for loop in loops]
        async with asyncio.timeout(20):
            while await self._unfinished():
                await asyncio.sleep(0.01)
        for task in working:
            task.cancel()
        await asyncio.wait(working)

    async def _unfinished(self) -> bool:
        queued = await self.store.runs(RunFilter(state=RunState.QUEUED, limit=1))
        running = await self.store.runs(RunFilter(state=RunState.RUNNING, limit=1))
        return bool(queued or running)

    def by_hand(self, statement: str, *values: object) -> None:
        """Change the file as another program would."""
        other = apsw.Connection(str(self.folder / "tinyforge.db"))
        try:
            other.execute(statement, values)
        finally:
            other.close()


def request(text: str = SITE, *, source: str = "site.yaml", **asked: bool) -> ManifestRequest:
    return ManifestRequest(source=source, text=text, **asked)


@asynccontextmanager
async def open_house(
    folder: Path, clock: HandClock | None = None, *, live: bool = True
) -> AsyncIterator[House]:
    clock = clock or HandClock()
    happened: list[Happening] = []
    plugins = built_in_kinds()
    async with SqliteStore.open(folder, clock) as store:
        around = Surroundings(store=store, plugins=plugins, clock=clock, observe=happened.append)
        engine = assemble(around, Settings(data=folder, concurrency=8))
        doors = open_door(
            Parts(
                store=store,
                plugins=plugins,
                plans=engine.planner,
                vault=engine.vault,
                fires=engine.intake,
                ticks=engine.ticker,
                works=engine.runner,
                clock=clock,
                observe=happened.append,
                serving=Serving(
                    version="1.0",
                    data=folder,
                    database=folder / "tinyforge.db",
                    tick_interval=engine.tick_interval,
                    unready=lambda: None,
                    instance=store.instance if live else None,
                    started_at=clock.now() if live else None,
                ),
            )
        )
        yield House(
            folder, clock, store, engine.ticker, engine.runner, doors, engine.vault, happened
        )
