"""What the house needs from a database, by role.

Every method is one transaction; every moment is passed in, never asked for. A method that cannot
record raises StoreUnavailable and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.errors import Conflict
from tinyforge.model import (
    Attempt,
    Binding,
    BindingId,
    Event,
    EventDraft,
    EventId,
    Outcome,
    Result,
    Revision,
    RevisionId,
    Run,
    RunId,
    RunState,
    Trigger,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.schedule.decision import Decision, State

What: TypeAlias = Literal["trigger", "workload", "binding"]


# --- config ---------------------------------------------------------------------------------------


class Unplanned(NamedTuple):
    """A row that another program put in or changed, and how often since we looked."""

    what: What
    row_id: int
    last_fired_changed: int
    changes: int


class Inspected(Struct, frozen=True, kw_only=True):
    """A row as far as it can be read, and what is wrong with its columns."""

    row: Trigger | Workload | Binding | None  # None: it is gone
    problems: Sequence[str]
    deleted: bool = False
    timing: Timing | None = None


class Timing(Struct, frozen=True, kw_only=True):
    """The schedule side of a trigger. A state of None: no sweep has created it yet."""

    trigger_id: TriggerId
    state: State | None
    due_at: Moment | None = None
    spec: str | None = None  # the spec in force, as `schedule.spec` writes it; None: it has none
    revision_id: RevisionId | None = None
    last_fired_by_hand: object = None  # what stands in the column where no state could be read


class Catalog(Struct, frozen=True, kw_only=True):
    """All config at one moment. The generation grows with each change of it."""

    generation: int
    triggers: Sequence[Trigger]
    workloads: Sequence[Workload]
    bindings: Sequence[Binding]
    timings: Sequence[Timing]


class TriggerWrite(Struct, frozen=True, kw_only=True):
    """A trigger as it shall be. *text*: its new revision, None where the config is the same."""

    row: Trigger
    text: str | None
    deleted: bool = False


class WorkloadWrite(Struct, frozen=True, kw_only=True):
    row: Workload
    text: str | None
    deleted: bool = False


class BindingWrite(Struct, frozen=True, kw_only=True):
    row: Binding
    text: str | None
    deleted: bool = False


class TimingWrite(Struct, frozen=True, kw_only=True):
    """What was decided of one schedule. *before*: (epoch, decided_until) it was decided on."""

    trigger_id: TriggerId
    before: tuple[int, Moment] | None
    decision: Decision
    spec: str | None
    revision_id: RevisionId | None  # of the spec; None: the revision written with it, or the same


class BrokenMark(NamedTuple):
    """Why a row is not served; None: it is again. Nothing else of the row is touched."""

    what: What
    row_id: int
    problem: str | None


class ConfigChange(Struct, frozen=True, kw_only=True):
    """Stored whole or not at all; Conflict where *generation* or a *before* is of the past."""

    author: str
    generation: int | None = None
    triggers: Sequence[TriggerWrite] = ()
    workloads: Sequence[WorkloadWrite] = ()
    bindings: Sequence[BindingWrite] = ()
    timings: Sequence[TimingWrite] = ()
    broken: Sequence[BrokenMark] = ()
    planned: Sequence[Unplanned] = ()  # rows changed by hand that are dealt with by this


class Config(Protocol):
    async def catalog(self) -> Catalog: ...

    async def trigger_named(self, name: str) -> tuple[Trigger, Timing | None]:
        """Raise NotFound, with the nearest name."""
        ...

    async def workload_named(self, name: str) -> Workload: ...

    async def bindings_of(self, trigger_id: TriggerId) -> list[Binding]: ...

    async def triggers_of_kinds(self, kinds: Sequence[str]) -> list[Trigger]: ...

    async def decided_after(self, moment: Moment, after: TriggerId, limit: int) -> list[Timing]:
        """Return schedules by id whose decisions reach beyond *moment*: the clock was set back."""
        ...

    async def names(self, what: What, ids: Sequence[int]) -> dict[int, str]:
        """Return the names of rows, deleted ones included."""
        ...

    async def change(self, change: ConfigChange, now: Moment) -> list[Event]:
        """Store *change* with its revisions, epochs and skips; return the events of its fires."""
        ...

    async def inspect(self, what: What, row_ids: Sequence[int]) -> list[Inspected]:
        """Read rows that may hold anything, in the order asked for."""
        ...

    async def revisions(self, row_id: int) -> list[Revision]: ...

    def new_id(self, now: Moment) -> int:
        """Return an id that is higher than all before."""
        ...

    def new_ids(self, count: int, now: Moment) -> list[int]: ...


# --- history --------------------------------------------------------------------------------------


class EventFilter(Struct, frozen=True, kw_only=True):
    trigger_id: TriggerId | None = None
    before: EventId | None = None  # newest first, below this id
    limit: int = 50


class RunFilter(Struct, frozen=True, kw_only=True):
    workload_id: WorkloadId | None = None
    event_id: EventId | None = None
    state: RunState | None = None
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


# --- the hot path ---------------------------------------------------------------------------------


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


class Schedules(Protocol):
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
        """Follow a clock that was set back."""
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

    async def fan_out(self, batch: FanOutBatch, now: Moment) -> FanOutDone:
        """Store all results and queue a run for each match; events done before are left alone."""
        ...

    async def left_events(self, limit: int) -> list[Event]:
        """Return events without results that an earlier server accepted, oldest first."""
        ...

    async def open_events(self, limit: int, before: Moment) -> list[Event]:
        """Return events without results that this server accepted before *before*."""
        ...

    async def note_try(self, event_id: EventId) -> int:
        """Count a fan-out tried alone before it is tried; return how many those are."""
        ...


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

    def next_ready_at(self) -> Moment | None:
        """Return when the earliest run that waits for its moment may be taken."""
        ...

    def has_ready(self, now: Moment) -> bool: ...

    async def cancel_queued(
        self, run_id: RunId, follow_ups: Sequence[EventDraft], now: Moment
    ) -> list[Event]:
        """Cancel a run that did not begin; Conflict if it did."""
        ...

    async def requeue(self, run_id: RunId, now: Moment) -> Run:
        """Queue a failed, cancelled or interrupted run once more; Conflict if it is not that."""
        ...

    async def workloads_by_id(self, ids: Sequence[WorkloadId]) -> dict[WorkloadId, Workload]: ...

    async def events_by_id(self, ids: Sequence[EventId]) -> dict[EventId, Event]: ...

    async def trigger_labels(self, ids: Collection[TriggerId]) -> dict[TriggerId, tuple[str, str]]:
        """Return name and kind of triggers."""
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


class Counts(Struct, frozen=True, kw_only=True):
    triggers: dict[str, int]  # by kind
    broken: dict[str, int]  # by what
    paused: int
    runs: dict[str, int]  # queued and running now
    oldest_undecided: Moment | None
    open_events: int
    unplanned: int


class Swept(Struct, frozen=True, kw_only=True):
    events: int
    runs: int
    log_bytes: int
    more: bool


class Limits(Struct, frozen=True, kw_only=True):
    """What the janitor keeps."""

    history: int  # micros
    decisions: int  # of each trigger, at least
    logs: int  # micros
    log_bytes: int


class Upkeep(Protocol):
    async def counts(self) -> Counts: ...

    async def sweep_history(self, keep: Limits, now: Moment) -> Swept:
        """Delete one bounded batch of what is kept no longer."""
        ...

    async def checkpoint(self) -> None: ...

    async def check(self) -> list[str]:
        """Return what SQLite's quick_check, or its like, finds wrong with the file."""
        ...

    async def fact(self, name: str) -> str | None: ...

    async def set_fact(self, name: str, value: str | None) -> None: ...


class Store(Config, History, Schedules, Events, Runs, Lives, Upkeep, Protocol):
    """All roles, as one database serves them."""
