"""The nouns. Frozen records; no I/O, no clock, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import NewType, TypeAlias

from msgspec import Struct

from tinyforge.clock import MINUTE, Micros, Moment
from tinyforge.labels import Labels

TriggerId = NewType("TriggerId", int)
WorkloadId = NewType("WorkloadId", int)
BindingId = NewType("BindingId", int)
EventId = NewType("EventId", int)
RunId = NewType("RunId", int)
RevisionId = NewType("RevisionId", int)
DeliveryId = NewType("DeliveryId", int)

Json: TypeAlias = Mapping[str, object]

DEFAULT_TIMEOUT = 15 * MINUTE
MOST_QUEUED = 1_000  # of one workload with `queue: every`
MOST_HOPS = 5  # runs that made events that made runs
MOST_TRIES = 3  # deaths in a fan-out, or in a run, before it is given up


class Queue(StrEnum):
    LATEST = "latest"
    EVERY = "every"
    SKIP = "skip"


class Retry(Struct, frozen=True, kw_only=True):
    """*attempts* in all, the first included; the wait doubles from *backoff* on."""

    attempts: int = 1
    backoff: Micros = 10_000_000


class Trigger(Struct, frozen=True, kw_only=True):
    id: TriggerId
    name: str
    kind: str
    config: Json
    enabled: bool = True
    managed_by: str = "api"
    revision_id: RevisionId | None = None
    broken: str | None = None


class Workload(Struct, frozen=True, kw_only=True):
    id: WorkloadId
    name: str
    kind: str
    config: Json
    queue: Queue = Queue.LATEST
    timeout: Micros = DEFAULT_TIMEOUT
    retry: Retry = Retry()
    idempotent: bool | None = None  # None: as the kind says
    on: Labels = ()  # what a server must carry to deploy it
    managed_by: str = "api"
    revision_id: RevisionId | None = None
    broken: str | None = None


class Binding(Struct, frozen=True, kw_only=True):
    id: BindingId
    name: str
    trigger_id: TriggerId
    workload_id: WorkloadId
    rule: Json = {}
    enabled: bool = True
    managed_by: str = "api"
    revision_id: RevisionId | None = None
    broken: str | None = None


class EventDraft(Struct, frozen=True, kw_only=True):
    """What a trigger saw. The key makes accepting it twice harmless; None: it is like no other."""

    trigger_id: TriggerId
    key: str | None = None
    facts: Json = {}
    actor: str | None = None
    ruleless: bool = False  # a manual fire without facts: binding rules are not applied


class Event(Struct, frozen=True, kw_only=True, gc=False):
    id: EventId
    trigger_id: TriggerId
    accepted_at: Moment
    epoch: int | None = None
    window: Moment | None = None  # only of a schedule
    key: str | None = None  # only of the others
    folded: int | None = 0  # windows folded into this one; None: more than 100
    folded_from: Moment | None = None
    last_fired_at: Moment | None = None  # as stored with this fire
    facts: Json = {}
    actor: str | None = None
    ruleless: bool = False
    revision_id: RevisionId | None = None
    fanned_at: Moment | None = None
    tries: int = 0  # fan-outs tried alone after a death

    @property
    def late_by(self) -> Micros:
        return 0 if self.window is None else self.accepted_at - self.window


class RunState(IntEnum):
    QUEUED = 2
    RUNNING = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6
    SUPERSEDED = 7
    INTERRUPTED = 8

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def is_over(self) -> bool:
        return self > RunState.RUNNING


NEXT_STATES: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED, RunState.SUPERSEDED}),
    RunState.RUNNING: frozenset(
        {
            RunState.QUEUED,  # a retry, a soft stop, or a worker that died
            RunState.SUPERSEDED,  # the same, behind a newer run
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.CANCELLED,
            RunState.INTERRUPTED,
        }
    ),
    # what a person may run again
    RunState.FAILED: frozenset({RunState.QUEUED}),
    RunState.CANCELLED: frozenset({RunState.QUEUED}),
    RunState.INTERRUPTED: frozenset({RunState.QUEUED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.SUPERSEDED: frozenset(),
}


class Run(Struct, frozen=True, kw_only=True):
    id: RunId
    event_id: EventId
    binding_id: BindingId
    workload_id: WorkloadId
    state: RunState
    queued_at: Moment
    ready_at: Moment
    started_at: Moment | None = None
    ended_at: Moment | None = None
    attempt: int = 0  # with the owner it is the fencing token
    owner: int | None = None
    superseded_by: RunId | None = None
    error: str | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    run_id: RunId
    number: int
    owner: int | None
    started_at: Moment
    ended_at: Moment
    outcome: str  # succeeded, failed, timed_out, cancelled, died, released
    error: str | None = None


class Outcome(StrEnum):
    MATCHED = "matched"  # never stored: the run row is this result
    NOT_MATCHED = "not_matched"
    MATCH_FAILED = "match_failed"
    DISABLED = "disabled"
    SKIPPED_BUSY = "skipped_busy"
    SKIPPED_FULL = "skipped_full"
    QUARANTINED = "quarantined"
    UNKNOWN_KIND = "unknown_kind"


class Result(Struct, frozen=True, kw_only=True):
    """What the fan-out decided for one binding of one event."""

    binding_id: BindingId
    outcome: Outcome
    reason: str = ""
    run_id: RunId | None = None


class Revision(Struct, frozen=True, kw_only=True):
    """One version of a row's config; *text* is JSON, *until* None while it is in force."""

    id: RevisionId
    what: str  # trigger, workload or binding
    row_id: int
    text: str
    zone_data: str | None
    since: Moment
    until: Moment | None
    author: str
