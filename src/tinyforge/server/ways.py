"""Everything that speaks to people: operations, the manifest of `--config`, the two ways in.

Imported by name after the first sweep where it can be, for it is the slowest to import.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from litestar.types import ASGIApp

from tinyforge import __version__
from tinyforge.clock import Moment
from tinyforge.observe.metrics import Metrics
from tinyforge.observe.tally import Tally
from tinyforge.operations.door import Operations
from tinyforge.operations.serving import Serving
from tinyforge.server.assembly import Engine
from tinyforge.server.doors import doors_of
from tinyforge.server.knocking import OwnDoor
from tinyforge.server.manifest import ConfigFile
from tinyforge.settings import Settings
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.web.access import Keeper
from tinyforge.web.allowance import Allowance
from tinyforge.web.app import create_app
from tinyforge.web.client_address import networks
from tinyforge.web.crowd import Crowd
from tinyforge.web.gate import BareMetrics, Probes
from tinyforge.web.hooks import Hooks
from tinyforge.web.listen import serve
from tinyforge.web.pages import Pages
from tinyforge.web.sockets import address_of


@dataclass(frozen=True, kw_only=True)
class Ways:
    engine: Engine
    settings: Settings
    tally: Tally
    started_at: Moment
    unready: Callable[[], str | None]
    dropped: Callable[[], int]  # log lines

    async def apply_config(self) -> None:
        """Apply `--config`, if there is one; InvalidManifest says when that must end the start."""
        if self.settings.config is not None:
            await ConfigFile(self.settings.config, self.settings.strict).apply(self._operations())

    def answer(
        self, sockets: Sequence[socket.socket], bare: Sequence[socket.socket]
    ) -> Sequence[asyncio.Task[None]]:
        """Answer on *sockets*, and on those that are *bare* with metrics alone."""
        metrics = Metrics(self.tally, lambda: self.unready() is None, self.dropped, __version__)
        probes = Probes(metrics.render, self.unready)
        operations = self._operations(address_of(sockets[-1]))
        app = create_app(operations, probes, self.engine.observe, self._keeper(operations))
        parts = [
            ("web", serve(self._hooks(Pages(app)), sockets, self._crowd())),
            ("uses of tokens", operations.admission.run()),
            ("changes", operations.watching.live.run()),
        ]
        parts += [("metrics", serve(BareMetrics(probes), bare, self._crowd()))] if bare else []
        return [asyncio.create_task(part, name=name) for name, part in parts]

    def _hooks(self, app: ASGIApp) -> Hooks:
        engine = self.engine
        return Hooks(
            app=app,
            endpoints=engine.directory,
            inbox=engine.inbox,
            allowance=Allowance(self.settings.deliveries_per_second),
            clock=engine.clock,
            observe=engine.observe,
            trusted=networks(self.settings.trusted_proxies),
        )

    def _crowd(self) -> Crowd:
        settings = self.settings
        trusted = networks(settings.trusted_proxies)
        return Crowd(settings.connections_per_address, self.engine.observe, trusted)

    def _keeper(self, operations: Operations) -> Keeper:
        engine, trusted = self.engine, networks(self.settings.trusted_proxies)
        return Keeper(operations.admission, engine.clock, engine.observe, trusted)

    def _operations(self, listen: str = "") -> Operations:
        """Give the door; *listen*: where we do, which a port of 0 does not say."""
        engine, listen = self.engine, listen or str(self.settings.listen)
        serving = Serving(
            version=__version__,
            data=self.settings.data,
            database=self.settings.data / DATABASE if self.settings.database is None else None,
            tick_interval=engine.tick_interval,
            unready=self.unready,
            instance=engine.store.instance,
            started_at=self.started_at,
            base_url=self.settings.base_url or f"http://{listen}",
            is_base_url_set=self.settings.base_url is not None,
            allowance=self.settings.allowance,
        )
        return doors_of(engine, serving, OwnDoor(listen))
