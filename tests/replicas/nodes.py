"""Several servers on one PostgreSQL inside the test's own process, and what can be seen of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg

from tests.engine.house import PATIENCE, Happenings, kinds
from tests.engine.kinds import gate
from tinyforge.clock import Clock, SystemClock
from tinyforge.model import EventDraft, Run, RunId, RunState, TriggerId
from tinyforge.server.assembly import Engine
from tinyforge.server.running import Server
from tinyforge.settings import Listen, Settings
from tinyforge.store.port import RunFilter

GLANCE = 0.02  # seconds between two looks


@dataclass(frozen=True)
class Node:
    """One server, which hears everything that happens in it."""

    server: Server
    happened: Happenings

    @property
    def engine(self) -> Engine:
        return self.server.engine

    async def fire(self, trigger: int) -> RunId:
        """Fire a trigger of one binding by hand, and return its run."""
        receipt = await self.engine.intake.fire(EventDraft(trigger_id=TriggerId(trigger)))
        assert receipt.event is not None
        (run,) = await self.engine.store.runs(RunFilter(event_id=receipt.event.id))
        return run.id

    async def run(self, run: RunId) -> Run:
        return await self.engine.store.run(run)

    async def until_run_is(self, state: RunState, run: RunId, within: float = PATIENCE) -> Run:
        async with asyncio.timeout(within):
            while (found := await self.run(run)).state is not state:
                await asyncio.sleep(GLANCE)
        return found

    async def until_lines(self, run: RunId, lines: list[str]) -> None:
        """Wait until the log of *run* holds these lines."""
        async with asyncio.timeout(PATIENCE):
            while await self.lines(run) != lines:
                await asyncio.sleep(GLANCE)

    async def lines(self, run: RunId) -> list[str]:
        return [line for chunk in await self.engine.store.log(run) for line in chunk.lines]


@dataclass
class Nodes:
    """Servers by number over one database, into which rows are put by hand."""

    folder: Path
    url: str
    numbers: count[int] = field(default_factory=lambda: count(1))
    gates: set[str] = field(default_factory=set)

    def gate(self, name: str) -> asyncio.Event:
        """Return what `held` deploys of this name wait for, in this test alone."""
        return gate(self._own(name))

    def open_gates(self) -> None:
        """Let every deploy go on, also one that has not come to its gate yet."""
        for name in self.gates:
            gate(name).set()

    async def held(self, node: Node, name: str) -> RunId:
        """Fire a deploy on *node* that goes on until its gate opens, wherever it is begun."""
        return await self.fired(node, name, "held", gate=self._own(name))

    async def fired(self, node: Node, name: str, kind: str, **config: object) -> RunId:
        """Put in a workload, and fire it on *node*."""
        button = await self.button(name, kind, **config)
        await node.engine.ticker.tick()
        return await node.fire(button)

    def _own(self, name: str) -> str:
        self.gates.add(f"{self.url} {name}")
        return f"{self.url} {name}"

    @asynccontextmanager
    async def serving(
        self, number: int, *, url: str = "", concurrency: int = 1, clock: Clock | None = None
    ) -> AsyncIterator[Node]:
        happened = Happenings()
        settings = Settings(
            data=self.folder / f"node-{number}",
            listen=Listen("127.0.0.1", 0),
            concurrency=concurrency,
            database=url or self.url,
        )
        server = Server(
            settings=settings,
            clock=clock or SystemClock(),
            plugins=kinds(),
            listening=[happened],
        )
        await server.start()
        try:
            yield Node(server, happened)
        finally:
            await server.stop()

    async def button(self, name: str, kind: str, **config: object) -> int:
        """Put in a manual trigger with one workload, by hand; return the trigger's id."""
        number, written = next(self.numbers), json.dumps(config).replace("'", "''")
        await self.do(
            f"""
            INSERT INTO triggers(id, name, kind) VALUES ({number}, '{name}', 'manual');
            INSERT INTO workloads(id, name, kind, config, queue)
            VALUES ({number}, '{name}', '{kind}', '{written}', 'every');
            INSERT INTO bindings(id, name, trigger_id, workload_id)
            VALUES ({number}, '{name}', {number}, {number})"""
        )
        return number

    async def do(self, script: str) -> None:
        await self._with(lambda connection: connection.execute(script))

    async def one(self, query: str) -> object:
        """Return the first value of a query."""
        return await self._with(lambda connection: connection.fetchval(query))

    async def until(self, query: str, within: float = PATIENCE) -> None:
        """Wait until *query* is true in the database."""
        async with asyncio.timeout(within):
            while await self.one(query) is not True:
                await asyncio.sleep(GLANCE)

    async def _with(self, act: Callable[[asyncpg.Connection], object]) -> object:
        connection = await asyncpg.connect(self.url)
        try:
            return await act(connection)  # type: ignore[misc]
        finally:
            await connection.close()
