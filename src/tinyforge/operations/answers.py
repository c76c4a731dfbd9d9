"""What questions are answered with: preview, simulate, explain, plan, verify, doctor, health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from tinyforge.operations.views import EventDetail, FireView, SpanView, View


class WindowView(View, frozen=True, kw_only=True):
    trigger: str
    window: str
    local: str  # the same moment with the offset of the schedule's own zone
    timezone: str
    workloads: Sequence[str] = ()


class PreviewView(View, frozen=True, kw_only=True):
    windows: Sequence[WindowView]
    notes: Sequence[str] = ()  # what is paused, broken, or has no window left
    next_command: str = ""


class MinuteView(View, frozen=True, kw_only=True):
    minute: str
    fires: int


class SimulateView(View, frozen=True, kw_only=True):
    """*cut_at*: where it stopped because there were too many windows; None: it is whole."""

    since: str
    until: str
    total: int
    windows: Sequence[WindowView]  # the first of them
    minutes: Sequence[MinuteView]  # only those with a fire, ascending
    busiest: MinuteView | None = None
    cut_at: str | None = None
    notes: Sequence[str] = ()
    next_command: str = ""


Verdict: TypeAlias = Literal[
    "fired",
    "folded",
    "skipped",
    "undecided",  # passed, and no sweep has decided it
    "resting",  # passed while paused or disabled: decided at resume
    "future",
    "not_a_window",
    "not_kept",
    "unplanned",  # no sweep has planned the row yet
    "missing",  # a window without a decision: verify calls it a fault
    "no_windows",  # of another kind
    "broken",
    "summary",  # asked without a moment
    "ignored",  # these three: a delivery that is no event
    "disabled",
    "conflict",
]


class DecisionView(View, frozen=True, kw_only=True):
    """One of the last decisions: a fire, or a span that was skipped."""

    at: str  # the window, or the newest of the span
    verdict: Verdict
    words: str
    event: str | None = None
    next_command: str = ""


class DecidedView(View, frozen=True, kw_only=True):
    """A window that fired, with those folded into it, or a span of windows that were skipped."""

    verdict: Literal["fired", "skipped"]
    window: str  # the newest of them
    oldest: str | None = None  # None: it is the only one
    count: int | None  # None: more than were counted
    words: str
    epoch: int
    decided_at: str
    reason: str | None = None  # why they were skipped
    event: str | None = None
    late_by_us: int = 0


class ExplainView(View, frozen=True, kw_only=True):
    trigger: str
    asked: str | None
    verdict: Verdict
    words: str  # the answer, in sentences
    event: EventDetail | None = None
    span: SpanView | None = None
    nearest_before: str | None = None
    nearest_after: str | None = None
    decisions: Sequence[DecisionView] = ()  # newest first, where no moment was asked for
    due_at: str | None = None
    next_command: str = ""


# --- manifest


class FieldView(View, frozen=True, kw_only=True):
    name: str
    before: object
    after: object


class ChangeView(View, frozen=True, kw_only=True):
    what: str  # trigger, workload, binding
    name: str
    action: str  # create, update, delete, adopt
    fields: Sequence[FieldView] = ()
    notes: Sequence[str] = ()


class WouldFire(View, frozen=True, kw_only=True):
    trigger: str
    why: str


class PlanView(View, frozen=True, kw_only=True):
    """What a manifest changes; *applied* says whether it has."""

    source: str
    name: str  # the manifest's
    changes: Sequence[ChangeView]
    would_fire: Sequence[WouldFire] = ()
    warnings: Sequence[str] = ()
    unchanged: int = 0
    generation: int = 0  # of the config that it was made from
    applied: bool = False
    fired: Sequence[FireView] = ()  # asked for with `fire`
    next_command: str = ""


class ExportView(View, frozen=True, kw_only=True):
    text: str


# --- trust


class FaultView(View, frozen=True, kw_only=True):
    trigger: str
    fault: str  # a word for programs
    words: str
    window: str | None = None
    event: str | None = None


class OpenView(View, frozen=True, kw_only=True):
    """Windows that have passed and are not decided yet."""

    trigger: str
    oldest: str
    overdue_us: int


class CheckedView(View, frozen=True, kw_only=True):
    triggers: int
    epochs: int
    windows: int
    events: int


class VerifyView(View, frozen=True, kw_only=True):
    ok: bool
    checked: CheckedView
    faults: Sequence[FaultView]
    open: Sequence[OpenView] = ()
    notes: Sequence[str] = ()  # what is not a fault: zone data that changed, history not kept
    next_command: str = ""


class CheckView(View, frozen=True, kw_only=True):
    name: str
    verdict: Literal["ok", "warn", "fail"]
    what: str
    fix: str = ""


class ReplicaView(View, frozen=True, kw_only=True):
    """A server that lives. Kinds of None: any."""

    number: int
    instance: str
    version: str
    started_at: str
    labels: Sequence[str]
    trigger_kinds: Sequence[str] | None
    workload_kinds: Sequence[str] | None
    clock_off_us: int | None  # ahead of the database's clock; None: there is no other, or not yet


class KeyView(View, frozen=True, kw_only=True):
    """A new key in place of those *before*, which are *kept* for the backups of their time."""

    key: str
    before: Sequence[str]
    resealed: int
    broken: int  # that nobody can open, and that are left as they are
    kept: Sequence[str]
    next_command: str = ""


class DoctorView(View, frozen=True, kw_only=True):
    worst: Literal["ok", "warn", "fail"]
    checks: Sequence[CheckView]
    replicas: Sequence[ReplicaView] = ()


class CountsView(View, frozen=True, kw_only=True):
    triggers: dict[str, int]  # by kind
    broken: dict[str, int]  # by what
    paused: int
    queued: int
    running: int
    open_events: int
    unplaced: int = 0  # of the queued ones, those that no live server may take
    oldest_undecided: str | None = None
    oldest_ready: str | None = None  # since when the queued run is ready that waits longest


class HealthView(View, frozen=True, kw_only=True):
    """*ready* is false where windows cannot be recorded; *serving* where a file is read alone."""

    version: str
    instance: str | None
    started_at: str | None
    serving: bool
    ready: bool
    problem: str | None
    counts: CountsView
