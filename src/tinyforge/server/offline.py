"""The same API over a file that no server serves: to read it, or with its lock to change it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from litestar.types import ASGIApp

from tinyforge import __version__
from tinyforge.clock import SystemClock
from tinyforge.engine.intake import Receipt
from tinyforge.engine.planning import Planner
from tinyforge.engine.ticker import clamp
from tinyforge.engine.vault import Vault
from tinyforge.errors import Refused
from tinyforge.model import Event, EventDraft, Result, RunId
from tinyforge.observe.events import Happening
from tinyforge.operations.door import Parts, open_door
from tinyforge.operations.serving import Serving
from tinyforge.plugins import Plugins
from tinyforge.sealing import Keyring
from tinyforge.settings import Settings
from tinyforge.store.port import AuditEntry
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.web.app import create_app
from tinyforge.web.gate import Probes

DOWN = "the server is not running"
FIX = "start it: tinyforge serve --data {}"


class Away:
    """Stands where the engine would: what only that can do is refused."""

    def __init__(self, data: str) -> None:
        self._down = Refused(DOWN, FIX.format(data))

    async def fire(self, _draft: EventDraft, _entry: AuditEntry | None = None) -> Receipt:
        raise self._down

    async def rehearse(self, _draft: EventDraft) -> Sequence[Result]:
        raise self._down

    async def cancel(self, _run_id: RunId, _actor: str) -> None:
        raise self._down

    def wake(self) -> None:
        """Nobody sleeps."""

    async def deliver(self, events: Sequence[Event]) -> None:
        """Leave them: the next start fans out what is accepted."""


@asynccontextmanager
async def open_offline(settings: Settings, *, writable: bool) -> AsyncIterator[ASGIApp]:
    """Give the app over the file. DataInUse where a server has it and *writable* is asked for."""
    clock, plugins = SystemClock(), Plugins.discover()
    if writable:
        opened = SqliteStore.open(settings.data, clock)
    else:
        opened = SqliteStore.open_to_read(settings.data)
    async with opened as store:
        away = Away(str(settings.data))
        tick_interval = clamp(settings.tick_interval, _nobody)
        vault = Vault(Keyring(settings.key_path), store)
        parts = Parts(
            store=store,
            plugins=plugins,
            plans=Planner(plugins, tick_interval),
            vault=vault,
            fires=away,
            ticks=away,
            works=away,
            clock=clock,
            observe=_nobody,
            serving=Serving(
                version=__version__,
                data=settings.data,
                database=settings.data / DATABASE,
                tick_interval=tick_interval,
                unready=_unready,
                base_url=settings.base_url or f"http://{settings.listen}",
                is_base_url_set=settings.base_url is not None,
            ),
        )
        with vault.serving():
            yield create_app(open_door(parts), Probes(_no_metrics, _unready), _nobody)


def _unready() -> str | None:
    return DOWN


def _no_metrics() -> bytes:
    return b""


def _nobody(_: Happening) -> None:
    return
