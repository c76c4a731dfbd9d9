"""The hot path: due rows, their events, results and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.errors import Conflict
from tinyforge.model import (
    BindingId,
    Event,
    EventDraft,
    EventId,
    Outcome,
    Result,
    RevisionId,
    RunId,
    TriggerId,
    WorkloadId,
)
from tinyforge.store.port.access import AuditEntry
from tinyforge.store.port.config import (
    Unplanned,
)


class Due(NamedTuple):
    """One due row, as narrow as a decision can be made on."""

    trigger_id: TriggerId
    spec_id: int | None
    epoch: int
    since: Moment
    base: Moment
    opening: Moment | None
    last_fired_at: Moment | None
    decided_until: Moment
    due_at: Moment
    revision_id: RevisionId | None


class Route(NamedTuple):
    """One binding with what its fan-out needs; a trigger without any has one with none."""

    trigger_id: TriggerId
    trigger: str | None  # names, rule, queue and kind are None where the row is broken or gone
    is_schedule: int | None  # an enabled one that is not broken: the ticker fires no other
    binding_id: BindingId | None
    workload_id: WorkloadId
    rule: str | None
    enabled: int
    queue: str
    workload_kind: str
    idempotent: int | None
    broken: str | None  # of the binding or its workload


class Routes(NamedTuple):
    """The bindings of some triggers, by trigger and id, with the generation they were read at."""

    generation: int
    rows: Sequence[Route]


class WindowsRepeated(Conflict):
    """A hand took decisions back: windows of these schedules were decided before."""

    def __init__(self, triggers: Sequence[TriggerId]) -> None:
        super().__init__("windows were decided before")
        self.triggers = triggers


class Advance(NamedTuple):
    """A schedule's step over the windows passed, decided on `due_at`."""

    trigger_id: TriggerId
    due_at: Moment
    last_fired_at: Moment | None
    base: Moment
    next_due_at: Moment | None
    fired: EventId | None
    epoch: int
    window: Moment | None
    folded: int | None
    folded_from: Moment | None
    revision_id: RevisionId | None


class Skip(NamedTuple):
    trigger_id: TriggerId
    epoch: int
    oldest: Moment
    newest: Moment
    reason: str
    windows: int | None
    revision_id: RevisionId | None


class Matched(NamedTuple):
    """A result that asks for a run."""

    event_id: EventId
    binding_id: BindingId
    workload_id: WorkloadId
    queue: str
    repeatable: bool  # idempotent: it may be leased before a worker is free
    ready_at: Moment
    reason: str = ""  # why a rule took it
    change: int | None = None  # of an event with several: which to deploy, if not the last


class Unmatched(NamedTuple):
    event_id: EventId
    binding_id: BindingId
    outcome: Outcome
    reason: str


class FanOutBatch(Struct, frozen=True, kw_only=True):
    """Results of some events, ordered by event. *generation*: what the bindings were read at."""

    generation: int
    events: Sequence[EventId]
    matched: Sequence[Matched]
    unmatched: Sequence[Unmatched]
    may_begin: int = 0  # repeatable runs that may be born running
    told: bool = False  # the results of each event are wanted


class TakenRun(NamedTuple):
    """A run under lease, to be deployed now or soon."""

    run_id: RunId
    event_id: EventId
    binding_id: BindingId
    workload_id: WorkloadId
    attempt: int
    repeatable: bool


class FanOutDone(Struct, frozen=True, kw_only=True):
    runs: int
    refused: Sequence[Unmatched]  # busy and full, beside the unmatched that were given
    results: Sequence[Result]  # of a batch of one event; empty if that was done before
    taken: Sequence[TakenRun]  # born running
    by_event: Mapping[EventId, Sequence[Result]] = {}  # of a batch that is told


class Known(Struct, frozen=True, kw_only=True):
    """What a database that is shared told its servers a moment ago."""

    next_due_at: Moment | None  # of all servers' shares
    high_water: Moment
    generation: int
    has_unplanned: bool
    has_open_events: bool
    has_runs: bool  # queued or running

    def is_due(self, now: Moment) -> bool:
        return self.next_due_at is not None and self.next_due_at <= now

    @property
    def is_at_rest(self) -> bool:
        return not (self.has_unplanned or self.has_open_events or self.has_runs)

    def is_quiet(self, now: Moment) -> bool:
        """Say whether a sweep would find nothing to do."""
        return not (self.is_due(now) or self.has_unplanned or self.has_open_events)


class Schedules(Protocol):
    def known(self) -> Known | None:
        """Return what one may go by without asking; None: nothing is known, or not any more."""
        ...

    def known_generation(self) -> int | None:
        """Return the generation of the config in force; None: only the database can tell."""
        ...

    async def next_due_at(self) -> Moment | None: ...

    async def due(self, after: tuple[Moment, int], now: Moment, limit: int) -> list[Due]:
        """Return rows due at *now* whose (due_at, id) is greater than *after*, in that order."""
        ...

    async def specs(self, ids: Sequence[int]) -> dict[int, str]: ...

    async def unplanned(self, limit: int) -> list[Unplanned]:
        """Return rows that another program changed."""
        ...

    async def advance(
        self,
        advances: Sequence[Advance],
        skips: Sequence[Skip],
        fan_out: FanOutBatch | None,
        now: Moment,
    ) -> FanOutDone | None:
        """Advance schedules, store their events and, with *fan_out*, all results of those.

        Conflict where a row moved since it was read, or a binding changed, WindowsRepeated where
        a window was decided before in its epoch; nothing is stored.
        """
        ...

    async def mark(self, now: Moment) -> None:
        """Record that the clock has been at *now*."""
        ...

    async def lower_mark(self, now: Moment) -> None:
        """Follow a clock that was set back; runs wait as long as they would have."""
        ...

    async def generation(self) -> int:
        """Return the number of the config in force."""
        ...

    async def high_water(self) -> Moment:
        """Return the latest moment that was ever recorded."""
        ...


class Events(Protocol):
    async def routes(self, trigger_ids: Sequence[TriggerId]) -> Routes: ...

    async def accept(self, drafts: Sequence[EventDraft], now: Moment) -> list[Event | None]:
        """Store events; None for one whose key was accepted before."""
        ...

    async def accept_noted(self, draft: EventDraft, entry: AuditEntry, now: Moment) -> Event | None:
        """Store an event, and *entry* of the audit, whose `after` becomes the event's id.

        None for one whose key was accepted before; then nothing is stored.
        """
        ...

    async def fan_out(self, batch: FanOutBatch, now: Moment) -> FanOutDone:
        """Store all results and queue a run for each match; events done before are left alone."""
        ...

    async def left_events(self, limit: int) -> list[Event]:
        """Return events without results that an earlier server accepted, oldest first."""
        ...

    async def open_events(self, limit: int, before: Moment) -> list[Event]:
        """Return events without results that this server accepted before *before*."""
        ...

    async def try_alone(self, event_id: EventId, *, counted: bool) -> bool:
        """Take a left event for a fan-out tried alone, which is *counted* before it is tried.

        False where it has its results, or another server that lives has taken it.
        """
        ...
