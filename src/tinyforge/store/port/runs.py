"""Runs under lease, and what servers that died left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.model import (
    BindingId,
    Event,
    EventDraft,
    EventId,
    Run,
    RunId,
    RunState,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.store.port.hot import (
    TakenRun,
)


class Places(NamedTuple):
    """How many runs may be taken: *free* of any kind, *ahead* more of repeatable ones."""

    free: int
    ahead: int


class Finished(NamedTuple):
    """The end of an attempt. QUEUED: again from *ready_at* on."""

    run: TakenRun
    state: RunState
    started_at: Moment
    ended_at: Moment
    outcome: str
    error: str | None
    ready_at: Moment
    queue: str  # the workload's policy, for a run that is queued again
    counted: bool  # False: a soft stop gives the attempt back


class Turn(Struct, frozen=True, kw_only=True):
    """What the store did with outcomes."""

    taken: Sequence[TakenRun]
    stale: Sequence[TakenRun]  # no longer ours: another attempt holds them
    events: Sequence[Event]  # of follow-ups


class LogPart(NamedTuple):
    """A chunk of a run's log under its number; *dropped* are numbers that it makes room for."""

    run_id: RunId
    seq: int
    lines: Sequence[str]
    dropped: Sequence[int] = ()


class Runs(Protocol):
    async def turn(
        self,
        finished: Sequence[Finished],
        follow_ups: Sequence[EventDraft],
        places: Places,
        now: Moment,
    ) -> Turn:
        """Store outcomes and their follow-up events, and take queued runs."""
        ...

    def next_ready_at(self, now: Moment) -> Moment | None:
        """Return when, after *now*, the first run that waits for its moment may be taken."""
        ...

    def has_ready(self, now: Moment) -> bool: ...

    async def cancel_queued(
        self, run_id: RunId, follow_ups: Sequence[EventDraft], now: Moment
    ) -> list[Event]:
        """Cancel a run that did not begin; Conflict if it did."""
        ...

    async def ask_to_cancel(self, run_id: RunId, actor: str, now: Moment) -> None:
        """Tell whichever server deploys a run to end it; Conflict where none does."""
        ...

    def holds(self, run: TakenRun) -> bool:
        """Say whether a run is ours for sure: no other server can have begun it meanwhile."""
        ...

    async def requeue(self, run_id: RunId, now: Moment) -> Run:
        """Queue a failed, cancelled or interrupted run once more; Conflict if it is not that."""
        ...

    async def workloads_by_id(self, ids: Sequence[WorkloadId]) -> dict[WorkloadId, Workload]: ...

    async def events_by_id(self, ids: Sequence[EventId]) -> dict[EventId, Event]: ...

    async def trigger_labels(self, ids: Collection[TriggerId]) -> dict[TriggerId, tuple[str, str]]:
        """Return name and kind of triggers."""
        ...

    async def changes_of(self, ids: Sequence[RunId]) -> dict[RunId, int]:
        """Return which change of its event a run deploys; it is the last where nothing is said."""
        ...

    async def append_log(self, chunks: Sequence[LogPart], now: Moment) -> None:
        """Store log lines and drop those cut, apart from the commits of the hot path."""
        ...


class Dead(NamedTuple):
    """A run whose server is gone."""

    run_id: RunId
    workload_id: WorkloadId
    event_id: EventId
    attempt: int
    started_at: Moment
    deaths: int  # this one included
    binding_id: BindingId
    queue: str  # the workload's policy, for a run that is queued again


class Lives(Protocol):
    """Who serves, and what those that died left."""

    @property
    def instance(self) -> int: ...

    async def dead_runs(self) -> list[Dead]: ...

    async def recover(
        self,
        requeued: Sequence[Dead],
        interrupted: Sequence[Dead],
        follow_ups: Sequence[EventDraft],
        now: Moment,
    ) -> list[Event]: ...
