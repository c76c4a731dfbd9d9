"""What came of the config: events, runs, and what `verify` reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.model import (
    Attempt,
    BindingId,
    Event,
    EventId,
    Result,
    RevisionId,
    Run,
    RunId,
    RunState,
    TriggerId,
    WorkloadId,
)
from tinyforge.store.port.config import (
    Timing,
)


class Among(NamedTuple):
    """Runs of triggers or of workloads of these names."""

    triggers: frozenset[str]
    workloads: frozenset[str]


class EventFilter(Struct, frozen=True, kw_only=True):
    among: frozenset[str] | None = None  # the names of triggers
    trigger_id: TriggerId | None = None
    kind: str | None = None  # of the trigger
    since: EventId | None = None  # this one and those after it
    before: EventId | None = None  # newest first, below this id
    limit: int = 50


class RunFilter(Struct, frozen=True, kw_only=True):
    among: Among | None = None
    workload_id: WorkloadId | None = None
    trigger_id: TriggerId | None = None
    event_id: EventId | None = None
    state: RunState | None = None
    since: RunId | None = None  # this one and those after it
    before: RunId | None = None
    limit: int = 50


class LogChunk(Struct, frozen=True, kw_only=True):
    seq: int
    at: Moment
    lines: Sequence[str]


class SpanRow(Struct, frozen=True, kw_only=True):
    trigger_id: TriggerId
    epoch: int
    oldest: Moment
    newest: Moment
    reason: str
    count: int | None
    decided_at: Moment
    revision_id: RevisionId | None = None


class EpochRow(Struct, frozen=True, kw_only=True):
    trigger_id: TriggerId
    epoch: int
    since: Moment
    base: Moment
    opening: Moment | None
    decided_from: Moment
    before_until: Moment | None  # up to where the epoch before was decided
    spec: str | None
    zone_data: str | None
    why: str
    revision_id: RevisionId | None = None


class FiredRow(NamedTuple):
    """What `verify` needs of an event that a window made."""

    event_id: EventId
    epoch: int
    window: Moment
    last_fired_at: Moment
    folded: int | None
    folded_from: Moment | None
    accepted_at: Moment
    fanned: bool


class TriggerHistory(Struct, frozen=True, kw_only=True):
    """All that is kept of one schedule's decisions, oldest first."""

    trigger_id: TriggerId
    name: str  # empty: its row was taken out by hand
    timing: Timing
    proved_from: Moment | None
    epochs: Sequence[EpochRow]
    fired: Sequence[FiredRow]
    spans: Sequence[SpanRow]


class MissingResult(NamedTuple):
    event_id: EventId
    binding_id: BindingId


class History(Protocol):
    async def events(self, wanted: EventFilter) -> list[Event]: ...

    async def event(self, event_id: EventId) -> Event:
        """Raise NotFound."""
        ...

    async def results(self, event_ids: Sequence[EventId]) -> dict[EventId, list[Result]]:
        """Return every binding's result; a matched one names its run."""
        ...

    async def runs(self, wanted: RunFilter) -> list[Run]: ...

    async def run(self, run_id: RunId) -> Run:
        """Raise NotFound."""
        ...

    async def attempts(self, run_id: RunId) -> list[Attempt]: ...

    async def log(self, run_id: RunId, after: int = -1) -> list[LogChunk]:
        """Return at most 1 MiB of chunks with a higher *seq*, oldest first."""
        ...

    async def event_at(self, trigger_id: TriggerId, moment: Moment) -> Event | None:
        """Return the event whose window this is, or into which it was folded."""
        ...

    async def fire_before(self, trigger_id: TriggerId, moment: Moment) -> Event | None:
        """Return the last event whose window lies before *moment*."""
        ...

    async def proved_from(self, trigger_id: TriggerId) -> Moment | None:
        """Return up to which window decisions are no longer kept; None: all are."""
        ...

    async def span_at(self, trigger_id: TriggerId, moment: Moment) -> SpanRow | None: ...

    async def spans(self, trigger_id: TriggerId, limit: int) -> list[SpanRow]:
        """Return the skips of a schedule, newest first."""
        ...

    async def epochs(self, trigger_id: TriggerId) -> list[EpochRow]: ...

    async def histories(self, after: TriggerId | None, limit: int) -> list[TriggerHistory]:
        """Return schedules by id, deleted ones included; the last id is the next *after*."""
        ...

    async def events_without_results(self, limit: int) -> list[MissingResult]:
        """Return bindings of an event's time that have neither a result nor a run."""
        ...
