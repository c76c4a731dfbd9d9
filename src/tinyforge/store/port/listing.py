"""What is listed page by page, and what somebody who watches is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.model import (
    Binding,
    Event,
    Run,
    RunId,
    RunState,
    TriggerId,
    WorkloadId,
)
from tinyforge.store.port.config import Inspected, What
from tinyforge.store.port.history import SpanRow


class RowFilter(Struct, frozen=True, kw_only=True):
    """Rows by name; None: any. *after*: those behind this one."""

    what: What
    after: int | None = None
    kind: str | None = None  # of triggers and workloads
    trigger_id: TriggerId | None = None  # of bindings
    workload_id: WorkloadId | None = None  # of bindings
    limit: int = 50


class Ledger(Struct, frozen=True, kw_only=True):
    """Decisions of one schedule, each by itself newest first."""

    events: Sequence[Event]
    spans: Sequence[SpanRow]


class LedgerPlace(NamedTuple):
    """Where a ledger goes on: below this window of this epoch."""

    window: Moment
    epoch: int


class Seen(Struct, frozen=True, kw_only=True):
    """Up to where somebody has looked, and at which runs again. At most *limit* rows of each."""

    since: int  # ids above this one are new
    watched: Sequence[RunId]
    limit: int


class Place(NamedTuple):
    """How far a run is: with either of these it is another step of its way."""

    state: RunState
    attempt: int


class Revised(NamedTuple):
    revision_id: int
    what: What
    row_id: int


class Moves(Struct, frozen=True, kw_only=True):
    """What there is to see, as of one moment. Events come without their facts."""

    generation: int
    events: Sequence[Event]
    runs: Mapping[RunId, Place]  # new ones, those watched, and those at work
    new_runs: int
    revised: Sequence[Revised]
    paused: frozenset[TriggerId]


class Listing(Protocol):
    async def rows(self, wanted: RowFilter) -> list[Inspected]:
        """Return rows with their timings, by name and then by id; broken ones as they are."""
        ...

    async def binding_named(self, name: str) -> Binding:
        """Raise NotFound, with the nearest name."""
        ...

    async def bindings_of_rows(self, what: What, ids: Sequence[int]) -> list[Binding]:
        """Return the bindings that begin or end at any of these triggers or workloads."""
        ...

    async def event_keyed(self, trigger_id: TriggerId, key: str) -> Event | None: ...

    async def ledger(self, trigger_id: TriggerId, below: LedgerPlace | None, limit: int) -> Ledger:
        """Return at most *limit* events and as many skipped spans, newest window first."""
        ...

    async def moves(self, seen: Seen) -> Moves: ...

    async def runs_by_id(self, ids: Sequence[RunId]) -> list[Run]: ...
