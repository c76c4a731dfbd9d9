"""What people and programs see. Ids are text, moments RFC 3339 in UTC, `_us` are microseconds.

`next_command` is what to type next; empty where nothing suggests itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct

from tinyforge.model import Json

T = TypeVar("T")
TriggerState: TypeAlias = Literal["active", "paused", "disabled", "broken"]
TRIGGER_STATES: tuple[TriggerState, ...] = ("active", "paused", "disabled", "broken")


class View(Struct, frozen=True, kw_only=True):
    """The root of all that leaves the house."""


class Page(View, Generic[T], frozen=True, kw_only=True):
    """*next*: what to give as `before`, or `after` where names ascend; None: that was all."""

    items: Sequence[T]
    next: str | None = None


# --- what is asked


class FireRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without facts no binding's rule is applied."""

    facts: Json | None = None
    dry_run: bool = False


class DeployRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    dry_run: bool = False


class ManifestRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: str  # the file's name, for mistakes
    text: str
    prune: bool = False
    adopt: bool = False
    fire: bool = False  # created and edited triggers get a manual event
    generation: int | None = None  # of the config as it was planned on; None: as it is


# --- config


class TriggerView(View, frozen=True, kw_only=True):
    id: str
    name: str
    kind: str
    state: TriggerState
    says: str  # a schedule in a few words: `every 10m`, `0 3 * * * Europe/Berlin`; else empty
    config: Json
    enabled: bool
    managed_by: str
    workloads: Sequence[str] = ()  # bound to it, by name
    due_at: str | None = None
    last_fired_at: str | None = None
    paused_at: str | None = None
    unsigned: bool = False  # its senders prove themselves by nothing but the URL
    problem: str | None = None  # why it is broken
    revision: str | None = None  # its version, as an ETag says it; None: no sweep has seen it
    next_command: str = ""


class TimingView(View, frozen=True, kw_only=True):
    """What is remembered of a schedule, and where its phase lies."""

    epoch: int
    since: str
    base: str
    decided_until: str
    opening: str | None = None
    last_fired_at: str | None = None
    due_at: str | None = None
    paused_at: str | None = None
    disabled_at: str | None = None
    phase_us: int = 0
    timezone: str = "UTC"


class BindingView(View, frozen=True, kw_only=True):
    id: str
    name: str
    trigger: str
    workload: str
    match: Json
    when: str | None = None
    enabled: bool
    managed_by: str
    problem: str | None = None
    revision: str | None = None


class RevisionView(View, frozen=True, kw_only=True):
    id: str
    since: str
    until: str | None
    author: str
    text: str  # the config as JSON
    zone_data: str | None = None


class WorkloadView(View, frozen=True, kw_only=True):
    id: str
    name: str
    kind: str
    config: Json
    queue: str
    timeout_us: int
    attempts: int
    backoff_us: int
    idempotent: bool | None  # None: as the kind says
    on: Sequence[str]  # labels that a server must carry
    managed_by: str
    problem: str | None = None
    revision: str | None = None
    next_command: str = ""


# --- events and runs


class EventView(View, frozen=True, kw_only=True):
    id: str
    trigger: str
    accepted_at: str
    window: str | None = None  # only of a schedule
    late_by_us: int = 0
    folded: int | None = 0  # windows folded into this one; None: more than were counted
    folded_from: str | None = None
    epoch: int | None = None
    facts: Json = {}
    actor: str | None = None
    rules_applied: bool = True
    fanned_at: str | None = None  # None: not fanned out yet
    revision: str | None = None


class ResultView(View, frozen=True, kw_only=True):
    binding: str
    workload: str
    outcome: str
    reason: str = ""
    run: str | None = None
    run_state: str | None = None
    next_command: str = ""


class EventDetail(View, frozen=True, kw_only=True):
    event: EventView
    results: Sequence[ResultView]
    next_command: str = ""


class FireView(View, frozen=True, kw_only=True):
    """*event* is None where nothing was stored."""

    trigger: str
    event: str | None
    results: Sequence[ResultView]
    rules_applied: bool
    dry_run: bool = False
    repeated: bool = False  # an earlier call with the same key made the event
    over: bool | None = None  # whether all its runs are; None: nobody waited for that
    next_command: str = ""


class RunView(View, frozen=True, kw_only=True):
    id: str
    event: str
    trigger: str
    binding: str
    workload: str
    state: str
    queued_at: str
    ready_at: str
    started_at: str | None = None
    ended_at: str | None = None
    took_us: int | None = None
    attempt: int = 0
    superseded_by: str | None = None
    error: str | None = None
    waiting: str | None = None  # why no server may take it


class AttemptView(View, frozen=True, kw_only=True):
    number: int
    started_at: str
    ended_at: str
    outcome: str  # succeeded, failed, timed_out, cancelled, died, released
    took_us: int
    error: str | None = None


class RunDetail(View, frozen=True, kw_only=True):
    run: RunView
    attempts: Sequence[AttemptView]
    next_command: str = ""


class ChunkView(View, frozen=True, kw_only=True):
    seq: int
    at: str
    lines: Sequence[str]


class LogView(View, frozen=True, kw_only=True):
    """*next*: what to give as `after`. *over*: the run has ended and this was its last line."""

    chunks: Sequence[ChunkView]
    next: int
    over: bool
    state: str
    next_command: str = ""


class SecretView(View, frozen=True, kw_only=True):
    """One secret of a trigger, and when a sender last proved itself by it."""

    place: int  # 1 or 2
    says: str  # its reference as written; what was typed stays hidden
    last_used_at: str | None = None


class TooLargeView(View, frozen=True, kw_only=True):
    """The last body that was refused unread. *size*: in bytes, as far as it is known."""

    at: str
    size: int


class EndpointView(View, frozen=True, kw_only=True):
    """Where a trigger takes deliveries. *url*: None where it is a secret, not the caller's."""

    trigger: str
    url: str | None
    unsigned: bool
    generated: bool
    made_at: str
    max_body: int  # bytes
    secrets: Sequence[SecretView] = ()
    too_large: TooLargeView | None = None
    problem: str | None = None  # why it takes nothing, or has no URL to show
    next_command: str = ""


class SetupView(View, frozen=True, kw_only=True):
    """*steps*: what to do at the provider, click by click. *hint*: what is wrong with the URL."""

    endpoint: EndpointView
    steps: Sequence[str]
    hint: str | None = None
    next_command: str = ""


class SampleRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """*event*: None is the one that is usual for the kind. Without *deploy* nothing is stored."""

    event: str | None = None
    facts: Mapping[str, str] = {}
    deploy: bool = False


class DecisionView(View, frozen=True, kw_only=True):
    """What the endpoint answered of one binding."""

    binding: str
    outcome: str
    reason: str = ""
    run: str | None = None


class SampleView(View, frozen=True, kw_only=True):
    """A sample that was sent to a trigger's own endpoint, and what that answered."""

    trigger: str
    event: str
    says: str  # the change in a few words
    sent_to: str  # without the id
    status: int
    outcome: str
    reason: str = ""
    event_id: str | None = None
    bindings: Sequence[DecisionView] = ()
    deployed: bool = False  # asked for: it was stored, and what matched is deployed
    next_command: str = ""


class TriggerDetail(View, frozen=True, kw_only=True):
    trigger: TriggerView
    timing: TimingView | None
    bindings: Sequence[BindingView]
    revisions: Sequence[RevisionView]  # newest first
    events: Sequence[EventView]  # newest first
    endpoint: EndpointView | None = None  # of a kind that receives webhooks


class BindingDetail(View, frozen=True, kw_only=True):
    binding: BindingView
    revisions: Sequence[RevisionView]  # newest first


class WorkloadDetail(View, frozen=True, kw_only=True):
    workload: WorkloadView
    bindings: Sequence[BindingView]
    revisions: Sequence[RevisionView]  # newest first
    runs: Sequence[RunView]  # newest first


# --- what a switch decides


class SpanView(View, frozen=True, kw_only=True):
    """Windows that were skipped together. A count of None: more than were counted."""

    oldest: str
    newest: str
    count: int | None
    reason: str  # late, paused, superseded
    words: str
    epoch: int
    decided_at: str | None = None


class SwitchView(View, frozen=True, kw_only=True):
    """A pause or a resume, and what it decided."""

    trigger: TriggerView
    changed: bool  # False: it was so already
    fired: EventView | None = None
    skipped: SpanView | None = None
    next_command: str = ""


# --- what is told to those who watch


class ResetView(View, frozen=True, kw_only=True):
    """Something is missing before this, or nothing is: then this is where it begins."""

    why: str


class SwitchedView(View, frozen=True, kw_only=True):
    trigger: str
    paused: bool


class ConfigMoved(View, frozen=True, kw_only=True):
    """A row has a new version; without a name, a row was removed or taken over."""

    what: str = ""
    name: str = ""


class LogEndView(View, frozen=True, kw_only=True):
    state: str


class Problem(View, frozen=True, kw_only=True, omit_defaults=True):
    """`application/problem+json` (RFC 9457)."""

    title: str
    status: int
    type: str = "about:blank"
    detail: str = ""
    fix: str = ""
    mistakes: Sequence[str] = ()
