"""A whole engine on a real file. Rows are put in by hand, its clock moves when a test says so."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TypeVar

import apsw

from tests.engine.kinds import entry_points
from tests.operations.house import ME
from tinyforge.clock import SECOND, Micros, Moment, utc
from tinyforge.model import Event, EventDraft, Result, Run, RunState, TriggerId
from tinyforge.observe.events import Happening, Observe
from tinyforge.observe.listeners import listeners
from tinyforge.observe.tally import Tally
from tinyforge.operations.door import Operations
from tinyforge.operations.serving import Serving
from tinyforge.plugins import Plugins
from tinyforge.schedule.decision import State
from tinyforge.server.assembly import Engine, Surroundings, assemble
from tinyforge.server.doors import doors_of
from tinyforge.server.running import Server
from tinyforge.settings import Listen, Settings
from tinyforge.store.port import EventFilter, RunFilter, Timing
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock

BEGIN: Moment = 1_767_614_400_000_000  # 2026-01-05T12:00:00Z, a Monday
TICK = 30 * SECOND
PARTS = 5  # of a server that wait for time to go by: ticker, runner, logs, janitor, uses of tokens
PATIENCE = 30.0  # seconds of real time until a test gives up
H = TypeVar("H", bound=Happening)

SQLITE3 = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
db.executescript(sys.stdin.read())
db.close()
"""


class Happenings:
    """Everything that happened, in order, and a way to wait for more."""

    def __init__(self) -> None:
        self.all: list[Happening] = []
        self._more = asyncio.Event()

    def __call__(self, happening: Happening) -> None:
        self.all.append(happening)
        self._more.set()

    def of(self, kind: type[H]) -> list[H]:
        return [one for one in self.all if isinstance(one, kind)]

    def forget(self) -> None:
        self.all.clear()

    async def wait_for(self, kind: type[H], times: int = 1) -> H:
        """Return the last of so many; fail when they do not come."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self.of(kind)) < times:
                self._more.clear()
                await self._more.wait()
        return found[-1]


@dataclass
class House:
    folder: Path
    clock: MovableClock
    store: SqliteStore
    engine: Engine
    doors: Operations
    happened: Happenings
    tally: Tally
    numbers: count[int] = field(default_factory=lambda: count(1))  # of rows put in by hand

    # --- hands

    def by_hand(self, *statements: str) -> None:
        """Change the file as another program would."""
        other = apsw.Connection(str(self.folder / DATABASE))
        other.set_busy_timeout(20_000)
        try:
            with other:
                for statement in statements:
                    other.execute(statement)
        finally:
            other.close()

    def unseen(self, *statements: str) -> None:
        """Change the file as no program should: with its SQL triggers switched off."""
        other = apsw.Connection(str(self.folder / DATABASE))
        other.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        try:
            for statement in statements:
                other.execute(statement)
        finally:
            other.close()

    def by_sqlite3(self, script: str) -> None:
        """Change the file by the interpreter's own sqlite3, in a process of its own."""
        program = [sys.executable, "-c", SQLITE3, str(self.folder / DATABASE)]
        subprocess.run(program, input=script, text=True, check=True, timeout=60)

    def read(self, query: str) -> list[tuple[object, ...]]:
        other = apsw.Connection(str(self.folder / DATABASE))
        try:
            return [tuple(row) for row in other.execute(query)]
        finally:
            other.close()

    def highest_id(self) -> int:
        tables = (
            "SELECT id FROM triggers UNION SELECT id FROM workloads UNION SELECT id FROM bindings"
        )
        ((highest,),) = self.read(f"SELECT coalesce(max(id), 0) FROM ({tables})")
        return int(str(highest))

    def schedule(self, name: str, **config: object) -> int:
        return self.trigger(name, "schedule", **config)

    def trigger(self, name: str, kind: str, **config: object) -> int:
        number = next(self.numbers)
        self.by_hand(
            "INSERT INTO triggers(id, name, kind, config)"
            f" VALUES ({number}, '{name}', '{kind}', '{json.dumps(config)}')"
        )
        return number

    def workload(
        self, name: str, kind: str = "quick", *, queue: str = "every", **config: object
    ) -> int:
        number = next(self.numbers)
        self.by_hand(
            "INSERT INTO workloads(id, name, kind, config, queue)"
            f" VALUES ({number}, '{name}', '{kind}', '{json.dumps(config)}', '{queue}')"
        )
        return number

    def bind(self, trigger: int, workload: int, rule: dict[str, object] | None = None) -> int:
        number = next(self.numbers)
        text = "NULL" if rule is None else f"'{json.dumps(rule)}'"
        self.by_hand(
            "INSERT INTO bindings(id, name, trigger_id, workload_id, rule)"
            f" VALUES ({number}, 'b{number}', {trigger}, {workload}, {text})"
        )
        return number

    def site(self, name: str = "often", every: str = "60s") -> int:
        """Put in a schedule with one quick workload."""
        number = self.schedule(name, interval=every)
        self.bind(number, self.workload(f"{name}-work"))
        return number

    def sites(self, many: int, every: str = "60s") -> list[int]:
        """Put in so many schedules that share one workload, all at once."""
        work = self.workload("shared-work")
        first = next(self.numbers)
        numbers = range(first, first + many)
        self.numbers = count(first + 2 * many)
        config = json.dumps({"interval": every})
        self.by_hand(
            *(
                "INSERT INTO triggers(id, name, kind, config)"
                f" VALUES ({n}, 's{n}', 'schedule', '{config}')"
                for n in numbers
            ),
            *(
                "INSERT INTO bindings(id, name, trigger_id, workload_id)"
                f" VALUES ({n + many}, 'b{n}', {n}, {work})"
                for n in numbers
            ),
        )
        return list(numbers)

    # --- time

    async def sweep(self) -> bool:
        """Do what the ticker does each time it wakes."""
        ticker = self.engine.ticker
        return await ticker.tick() and await ticker.prove_recording()

    async def pass_time(self, by: Micros) -> None:
        """Let time go by, then sweep once."""
        self.clock.move(by)
        assert await self.sweep()

    async def settle(self) -> None:
        """Do what may run now, to its end."""
        async with asyncio.timeout(PATIENCE):
            while await self.unfinished():
                await self.engine.runner.turn()

    async def unfinished(self) -> bool:
        now = self.clock.now()
        return any(
            run.state is RunState.RUNNING or (run.state is RunState.QUEUED and run.ready_at <= now)
            for run in await self.runs()
        )

    # --- what is there

    async def state(self, trigger: int) -> State:
        timing = await self.timing(trigger)
        assert timing.state is not None
        return timing.state

    async def timing(self, trigger: int) -> Timing:
        (found,) = await self.store.inspect("trigger", [trigger])
        assert found.timing is not None
        return found.timing

    async def events(self, trigger: int) -> list[Event]:
        """Return its events, oldest first."""
        found = await self.store.events(EventFilter(trigger_id=TriggerId(trigger), limit=10_000))
        return found[::-1]

    async def windows(self, trigger: int) -> list[Moment | None]:
        return [event.window for event in await self.events(trigger)]

    async def results(self, event: Event) -> list[Result]:
        return (await self.store.results([event.id]))[event.id]

    async def runs(self) -> list[Run]:
        return (await self.store.runs(RunFilter(limit=10_000)))[::-1]

    async def fire(self, trigger: int, **facts: object) -> Event:
        """Fire it by hand."""
        draft = EventDraft(trigger_id=TriggerId(trigger), facts=facts)
        receipt = await self.engine.intake.fire(draft)
        assert receipt.event is not None
        return receipt.event

    async def faults(self) -> list[str]:
        """Return what `verify` finds wrong."""
        view = await self.doors.verify.verify(ME)
        return [f"{fault.trigger}: {fault.fault}: {fault.words}" for fault in view.faults]


def kinds() -> Plugins:
    return Plugins.discover(also=entry_points())


@asynccontextmanager
async def open_house(
    folder: Path,
    clock: MovableClock | None = None,
    *,
    listening: Sequence[Observe] = (),
    **settings: object,
) -> AsyncIterator[House]:
    """Start over what stands in *folder*: recovered, not yet swept."""
    clock = clock or MovableClock(BEGIN)
    happened, tally, plugins = Happenings(), Tally(names=False), kinds()
    given = Settings(data=folder, concurrency=8, **settings)  # type: ignore[arg-type]
    async with SqliteStore.open(folder, clock) as store:
        await store.announce("1.0", clock.now())
        observe = listeners(happened, tally, *listening)
        around = Surroundings(store=store, plugins=plugins, clock=clock, observe=observe)
        engine = assemble(around, given)
        await engine.recovery.recover_runs()
        doors = _doors(engine, given)
        house = House(folder, clock, store, engine, doors, happened, tally)
        house.numbers = count(house.highest_id() + 1)
        yield house


def _doors(engine: Engine, settings: Settings) -> Operations:
    serving = Serving(
        version="1.0",
        data=settings.data,
        database=settings.data / DATABASE,
        tick_interval=engine.tick_interval,
        unready=lambda: None,
        instance=engine.store.instance,
        started_at=engine.clock.now(),
    )
    return doors_of(engine, serving)


def a_server(folder: Path, clock: MovableClock | None = None) -> tuple[Happenings, Server]:
    happened = Happenings()
    server = Server(
        settings=Settings(data=folder, listen=Listen("127.0.0.1", 0), concurrency=8),
        clock=clock or MovableClock(BEGIN),
        plugins=kinds(),
        listening=[happened],
    )
    return happened, server


def iso(at: Moment) -> str:
    return utc(at).isoformat()
