"""What happened, as values. The engine emits these; logs, metrics and tests listen.

Hot happenings come in batches: one value per commit, not one per row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from tinyforge.clock import Micros, Moment
from tinyforge.model import BindingId, EventId, Outcome, RunId, RunState, TriggerId


class Happening(Struct, frozen=True, kw_only=True):
    """The root of all; the class name is its name in the logs and the reference."""


class ServerStarted(Happening, frozen=True, kw_only=True):
    instance: int
    version: str
    data: str


class SchemaMigrated(Happening, frozen=True, kw_only=True):
    """Replicas of the version before serve on beside the new one."""

    schema: int
    step: str


class MigrationWaits(Happening, frozen=True, kw_only=True):
    """Transactions of others use its tables; it is tried again each second."""

    schema: int
    step: str


class ServerStopped(Happening, frozen=True, kw_only=True):
    instance: int
    released: int  # runs that went back to the queue


class TickIntervalClamped(Happening, frozen=True, kw_only=True):
    requested: Micros
    applied: Micros


class TickBegan(Happening, frozen=True, kw_only=True):
    """A sweep begins; counted even if listing then fails (rule 4)."""


class ListingFailed(Happening, frozen=True, kw_only=True):
    problem: str


class RecordingFailed(Happening, frozen=True, kw_only=True):
    """Windows or events could not be stored; nothing was dispatched."""

    problem: str


class Recorded(Happening, frozen=True, kw_only=True):
    """The store has taken a write after a sweep: schedules can be recorded."""

    at: Moment


class FiredWindow(Struct, frozen=True, kw_only=True, gc=False):
    trigger_id: TriggerId
    trigger: str
    event_id: EventId
    window: Moment
    late_by: Micros
    folded: int | None = 0
    overdue: Micros | None = None  # set: rule 11 warns, with how old the oldest passed over is


class SchedulesFired(Happening, frozen=True, kw_only=True):
    """Windows became events, and are stored."""

    kind: str = "schedule"
    at: Moment
    fired: Sequence[FiredWindow]


class WindowsSkipped(Happening, frozen=True, kw_only=True):
    trigger_id: TriggerId
    trigger: str
    reason: str
    oldest: Moment
    newest: Moment
    count: int | None


class FireRefused(Happening, frozen=True, kw_only=True):
    """A due row is no schedule that may fire (rule 5): another kind, switched off, or broken."""

    trigger: str


class RowBroken(Happening, frozen=True, kw_only=True):
    """A row cannot be served; said once for each revision (rule 7)."""

    what: str  # trigger, workload or binding
    row_id: int
    name: str
    problem: str


class RowRepaired(Happening, frozen=True, kw_only=True):
    what: str
    row_id: int
    name: str


class RowWarned(Happening, frozen=True, kw_only=True):
    """A value was read in a way its author may not expect; the row is served."""

    what: str
    name: str
    problem: str


class ClockSetBack(Happening, frozen=True, kw_only=True):
    by: Micros
    planned_again: int


class FiredByHand(Happening, frozen=True, kw_only=True):
    """Somebody fired a trigger; its results are stored."""

    trigger: str
    kind: str
    event_id: EventId
    actor: str


class EventsAccepted(Happening, frozen=True, kw_only=True):
    """Stored, and not fanned out yet."""

    events: Sequence[EventId]


class BindingResult(Struct, frozen=True, kw_only=True, gc=False):
    event_id: EventId
    binding_id: BindingId
    outcome: Outcome
    reason: str = ""


class EventsFannedOut(Happening, frozen=True, kw_only=True):
    """All results are stored; *refused* holds those that queued no run."""

    events: int
    scheduled: int  # of those, the windows
    runs: int
    refused: Sequence[BindingResult] = ()


class EventQuarantined(Happening, frozen=True, kw_only=True):
    event_id: EventId
    trigger: str
    tries: int


class HopLimitReached(Happening, frozen=True, kw_only=True):
    trigger: str
    run: str
    hops: int


class RunsStarted(Happening, frozen=True, kw_only=True):
    runs: Sequence[RunId]


class DeploysDone(Happening, frozen=True, kw_only=True):
    """Effects are complete, and their outcomes not stored yet."""

    runs: Sequence[RunId]


class DeploysStopped(Happening, frozen=True, kw_only=True):
    """Their lease may end before the database is heard of again: another server may begin them."""

    runs: Sequence[RunId]


class OutcomesRefused(Happening, frozen=True, kw_only=True):
    """The ends of runs that are no longer ours: their lease was over, and they are decided."""

    runs: Sequence[RunId]


class EndedRunLine(Struct, frozen=True, kw_only=True, gc=False):
    run_id: RunId
    workload: str
    kind: str
    state: RunState  # QUEUED: it will be retried
    attempt: int
    took: Micros
    error: str | None = None


class RunsEnded(Happening, frozen=True, kw_only=True):
    """Outcomes are stored."""

    at: Moment
    runs: Sequence[EndedRunLine]


class KindFailed(Happening, frozen=True, kw_only=True):
    """Somebody's kind raised where no run and no result can say so."""

    kind: str
    doing: str  # follows or reap
    problem: str


class RunsRecovered(Happening, frozen=True, kw_only=True):
    """What a server that died had begun."""

    requeued: Sequence[RunId]
    interrupted: Sequence[RunId]


class ManifestApplied(Happening, frozen=True, kw_only=True):
    source: str
    changes: int


class ManifestRefused(Happening, frozen=True, kw_only=True):
    source: str
    mistakes: Sequence[str]


class HistorySwept(Happening, frozen=True, kw_only=True):
    events: int
    runs: int
    log_bytes: int
    deliveries: int
    body_bytes: int


class BlockedLoop(Happening, frozen=True, kw_only=True):
    """The watchdog ends the process: something did not give the loop back."""

    doing: str
    seconds: float
    stack: str


class Committed(Happening, frozen=True, kw_only=True):
    """One commit of the store."""

    operations: int
    took: Micros


class DeliveriesReceived(Happening, frozen=True, kw_only=True):
    """Deliveries that proved themselves are stored, or known from before."""

    kind: str
    taken: str  # accepted, ignored, disabled, duplicate or conflict
    count: int


class DeliveryReplayed(Happening, frozen=True, kw_only=True):
    """Somebody made a new event of an old delivery; its results are stored."""

    trigger: str
    kind: str
    event_id: EventId
    actor: str


class DeliveryRefused(Happening, frozen=True, kw_only=True):
    """A delivery of which nothing is kept: it proved nothing, or cannot be read."""

    kind: str
    why: str  # proof, content, content_type, too_large, unresolved, broken or bug


class DeliveriesRefused(Happening, frozen=True, kw_only=True):
    """The same, said at most each ten seconds for a trigger: the rest is of the last one."""

    trigger: str
    kind: str
    count: int  # since it was said last
    why: str
    reason: str
    source: str


class ConnectionTurnedAway(Happening, frozen=True, kw_only=True):
    """A connection was closed: too slow, or one too many."""

    why: str


class DeliveryTurnedAway(Happening, frozen=True, kw_only=True):
    """A request to a webhook endpoint ended at the door; which endpoint it was is never said."""

    why: str


class CallRefused(Happening, frozen=True, kw_only=True):
    """A call that did not prove who makes it."""

    reason: str  # missing, malformed, unknown, expired or revoked


class CallsRefused(Happening, frozen=True, kw_only=True):
    """The same, said at most each ten seconds: *reason* and *source* are the last one's."""

    count: int  # since it was said last
    reason: str
    source: str


class RequestFailed(Happening, frozen=True, kw_only=True):
    """A bug answered a request with 500; *stack* is for those who mend it."""

    method: str
    path: str
    stack: str


class FileDamaged(Happening, frozen=True, kw_only=True):
    """The daily check found the database file damaged: restore a copy."""

    problem: str


class HeartbeatFailed(Happening, frozen=True, kw_only=True):
    problem: str


class Started(Happening, frozen=True, kw_only=True):
    """The process serves: the sweep at start is done."""

    took: Micros
    listen: str


Observe: TypeAlias = Callable[[Happening], None]
