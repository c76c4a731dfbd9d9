"""A server from its start to its stop; both may be called again and do nothing then (rule 3)."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol, cast

from tinyforge import __version__
from tinyforge.clock import Clock, Micros, Moment, SteeredClock, SystemClock
from tinyforge.engine.ticker import clamp
from tinyforge.errors import InvalidManifest, StoreUnavailable
from tinyforge.observe.events import (
    Committed,
    Happening,
    Observe,
    RecordingFailed,
    ServerStarted,
    ServerStopped,
    Started,
)
from tinyforge.observe.listeners import listeners
from tinyforge.observe.ready import Readiness
from tinyforge.observe.tally import Tally
from tinyforge.plugins import Plugins
from tinyforge.server.assembly import Engine, Surroundings, assemble
from tinyforge.server.replica import Replica
from tinyforge.server.standing import abilities, seen
from tinyforge.settings import Settings
from tinyforge.store.port import Abilities, Counts, Store, Strain
from tinyforge.store.port import Replica as Serving
from tinyforge.store.sqlite.store import SqliteStore, make_folder
from tinyforge.testing.crash import CrashAt
from tinyforge.web.sockets import address_of, local_socket, tcp_socket


class Speaks(Protocol):
    """`ways.Ways`, which is imported when it is needed."""

    async def apply_config(self) -> None: ...

    def answer(
        self, sockets: Sequence[socket.socket], bare: Sequence[socket.socket]
    ) -> Sequence[asyncio.Task[None]]: ...


class MakesWays(Protocol):
    def __call__(  # noqa: PLR0913 - the fields of one record
        self,
        *,
        engine: Engine,
        settings: Settings,
        tally: Tally,
        started_at: Moment,
        unready: Callable[[], str | None],
        dropped: Callable[[], int],
    ) -> Speaks: ...


class Beats(Protocol):
    """`heartbeat.Heartbeat`, whose client is slow to import."""

    def __call__(self, happening: Happening) -> None: ...

    async def run(self) -> None: ...


class MakesHeartbeat(Protocol):
    def __call__(self, url: str, observe: Observe) -> Beats: ...


@dataclass
class Server:
    """Everything that `tinyforge serve` runs, over one data folder and one clock."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    plugins: Plugins | None = None
    listening: Sequence[Observe] = ()
    dropped: Callable[[], int] = lambda: 0  # log lines
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _engine: Engine | None = None
    _ways: Speaks | None = None
    _replica: Replica | None = None
    _stopped: bool = False

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("the server is not started")
        return self._engine

    async def start(self) -> None:
        """Recover, apply `--config`, sweep once, then go on until `stop`."""
        if self._engine is not None or self._stopped:
            return
        began = self.clock.monotonic()
        tally = Tally(names=self.settings.metrics_names)
        observe, unready = self._observers(tally)
        engine = self._engine = await self._open(tally, observe)
        await engine.vault.unlock()
        sockets, bare = self._listen(), self._listen_bare()
        self._stack.enter_context(engine.vault.serving())
        self._stack.enter_context(engine.watch.running())
        self._spawn("watch", engine.watch.run())
        await engine.recovery.recover_runs()
        make = None if self.settings.config is None else self._maker()
        if make is not None:
            self._ways = self._make(make, tally, unready)
            await self._ways.apply_config()
        await self._first_sweep(engine)
        await asyncio.to_thread(engine.vault.test)
        observe(Started(took=self.clock.monotonic() - began, listen=address_of(sockets[-1])))
        for name, part in (
            ("ticker", engine.ticker.run()),
            ("runner", engine.runner.run()),
            ("logs", engine.logs.run()),
            ("janitor", engine.janitor.run()),
            ("endpoints", engine.directory.run()),
            ("inbox", engine.inbox.run()),
            ("decisions", engine.inbox.decide()),
            ("left events", engine.recovery.deliver_alone()),
            ("bindings", engine.ticker.decider.bounds.read_ahead()),
        ):
            self._spawn(name, part)
        if self._replica is not None:
            self._spawn("replica", self._replica.run(engine))
        if self._ways is None:
            maker = await asyncio.to_thread(self._maker)
            self._ways = self._make(maker, tally, unready)
        self._tasks.extend(self._ways.answer(sockets, bare))

    def _listen(self) -> list[socket.socket]:
        """Take the Unix socket and `--listen` before anything fires; Refused if they are taken."""
        where = self.settings.listen
        return [
            self._stack.enter_context(local_socket(self.settings.data)),
            self._stack.enter_context(tcp_socket(where.host, where.port)),
        ]

    def _listen_bare(self) -> list[socket.socket]:
        """Take `--metrics-listen`, if there is one."""
        where = self.settings.metrics_listen
        if where is None:
            return []
        return [self._stack.enter_context(tcp_socket(where.host, where.port, "--metrics-listen"))]

    async def _first_sweep(self, engine: Engine) -> None:
        """Record what is due; lease no run before the events that servers died of are tried."""
        floor = engine.runner.floor
        floor.closed = await engine.recovery.has_suspects()
        await engine.ticker.tick()
        if floor.closed:
            await engine.recovery.deliver_suspects()
        floor.closed = False

    async def reload(self) -> None:
        """Apply `--config` once more; mistakes are said, and change nothing."""
        if self._ways is None:
            return
        try:
            with suppress(InvalidManifest):
                await self._ways.apply_config()
        except StoreUnavailable as problem:
            self.engine.observe(RecordingFailed(problem=problem.problem))

    async def wait(self) -> None:
        """Return never: raise what ended a part that should have gone on."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled() and (problem := task.exception()) is not None:
                raise problem

    async def stop(self) -> None:
        """Claim nothing more, wait for the tick in flight, give deploys their grace, and close."""
        if self._stopped:
            return
        self._stopped = True
        try:
            if self._engine is not None:
                await self._wind_down(self._engine)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await _close_outbound()
            await self._stack.aclose()

    async def _wind_down(self, engine: Engine) -> None:
        engine.ticker.close()
        engine.runner.close()
        await self._ended("ticker", "runner")
        released = await engine.runner.drain(self.settings.grace)
        await engine.logs.flush()
        with suppress(StoreUnavailable):  # which uses were last is of no matter then
            await engine.directory.flush()
        engine.observe(ServerStopped(instance=engine.store.instance, released=released))

    async def _ended(self, *names: str) -> None:
        tasks = [task for task in self._tasks if task.get_name() in names]
        if tasks:
            await asyncio.wait(tasks)

    def _spawn(self, name: str, part: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(part, name=name))

    def _observers(self, tally: Tally) -> tuple[Observe, Callable[[], str | None]]:
        """Return who is told what happens, and the question whether windows can be recorded."""
        tick_interval = clamp(self.settings.tick_interval, lambda _: None)
        readiness = Readiness(self.clock.monotonic, tick_interval)
        told: list[Observe] = [*self.listening, tally, readiness]
        if self.settings.heartbeat_url is not None:
            told.append(self._heartbeat(self.settings.heartbeat_url, listeners(*told)))
        if self.settings.crash_at is not None:
            told.append(CrashAt.read(self.settings.crash_at))
        return listeners(*told), readiness.problem

    def _heartbeat(self, url: str, observe: Observe) -> Observe:
        """Have the URL called after every sweep that could record."""
        make = cast("MakesHeartbeat", import_module("tinyforge.engine.heartbeat").Heartbeat)
        beat = make(url, observe)
        self._spawn("heartbeat", beat.run())
        return beat

    async def _open(self, tally: Tally, observe: Observe) -> Engine:
        def committed(operations: int, took: Micros) -> None:
            observe(Committed(operations=operations, took=took))

        settings = self.settings
        plugins = self.plugins or Plugins.discover()
        given = abilities(settings.labels, plugins)
        store = await self._stack.enter_async_context(self._database(committed, given, observe))
        observe(
            ServerStarted(
                instance=store.instance, version=__version__, data=str(settings.data.resolve())
            )
        )
        return assemble(self._surroundings(store, plugins, tally, observe), settings)

    def _surroundings(
        self, store: Store, plugins: Plugins, tally: Tally, observe: Observe
    ) -> Surroundings:
        def counted(counts: Counts) -> None:
            tally.set_counts(counts, self.clock.now())

        def saw(replicas: Sequence[Serving], strain: Strain) -> None:
            tally.seen = seen(store.instance, replicas, strain)

        return Surroundings(
            store=store,
            plugins=plugins,
            clock=self.clock,
            observe=observe,
            counted=counted,
            seen=saw,
        )

    @asynccontextmanager
    async def _database(
        self, committed: Callable[[int, Micros], None], given: Abilities, observe: Observe
    ) -> AsyncIterator[Store]:
        """Open the file in the data folder, or the PostgreSQL that replicas share."""
        settings = self.settings
        if settings.database is None:
            async with SqliteStore.open(settings.data, self.clock, committed) as store:
                await store.announce(__version__, self.clock.now(), given)
                yield store
            return
        make_folder(settings.data)
        clock = self.clock = SteeredClock(self.clock)
        self._replica = Replica(settings.database, clock, observe)
        async with self._replica.open(lambda took: committed(1, took), given) as shared:
            yield shared

    def _maker(self) -> MakesWays:
        return cast("MakesWays", import_module("tinyforge.server.ways").Ways)

    def _make(self, maker: MakesWays, tally: Tally, unready: Callable[[], str | None]) -> Speaks:
        return maker(
            engine=self.engine,
            settings=self.settings,
            tally=tally,
            started_at=self.clock.now(),
            unready=unready,
            dropped=self.dropped,
        )


async def _close_outbound() -> None:
    """Close the outbound client, if anything has imported it: that alone takes 0.15 s."""
    module = sys.modules.get("tinyforge.outbound")
    if module is not None:
        await module.close_outbound()
