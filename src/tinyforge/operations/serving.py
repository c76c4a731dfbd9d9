"""Which server is asked, and how it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tinyforge.clock import Clock, Micros, Moment, rfc3339
from tinyforge.ids import show
from tinyforge.operations.answers import CountsView, HealthView
from tinyforge.operations.callers import Caller
from tinyforge.operations.rendering import at_text
from tinyforge.references import Allowance
from tinyforge.store.port import Counts


@dataclass(frozen=True, kw_only=True)
class Serving:
    """*instance* and *started_at* are None where a file is looked at and nothing serves it."""

    version: str
    data: Path
    database: Path | None  # None: it is no file of this machine
    tick_interval: Micros
    unready: Callable[[], str | None]  # None, or why windows cannot be recorded
    instance: int | None = None
    started_at: Moment | None = None
    base_url: str = ""  # where others reach it
    is_base_url_set: bool = False  # else it is the address on which it listens
    allowance: Allowance = field(default_factory=Allowance)  # what may be named over HTTP

    @property
    def is_live(self) -> bool:
        return self.started_at is not None


class Counted(Protocol):
    async def counts(self) -> Counts: ...


@dataclass(frozen=True)
class Health:
    store: Counted
    serving: Serving
    clock: Clock

    async def show(self, caller: Caller) -> HealthView:
        caller.must_see_all("the server's health")
        problem = self.serving.unready()
        instance = self.serving.instance
        return HealthView(
            version=self.serving.version,
            instance=None if instance is None else show("srv", instance),
            started_at=at_text(self.serving.started_at),
            serving=self.serving.is_live,
            ready=problem is None and self.serving.is_live,
            problem=problem,
            counts=_counts_view(await self.store.counts(), self.clock.now()),
        )


def _counts_view(counts: Counts, now: Moment) -> CountsView:
    def passed(oldest: Moment | None) -> str | None:
        return None if oldest is None or oldest > now else rfc3339(oldest)

    return CountsView(
        triggers=counts.triggers,
        broken=counts.broken,
        paused=counts.paused,
        queued=counts.runs.get("queued", 0),
        running=counts.runs.get("running", 0),
        open_events=counts.open_events,
        unplaced=counts.unplaced,
        oldest_undecided=passed(counts.oldest_undecided),
        oldest_ready=passed(counts.oldest_ready),
    )
