"""Config: triggers, workloads, bindings, and the timing of schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.model import (
    Binding,
    Event,
    Revision,
    RevisionId,
    Trigger,
    TriggerId,
    Workload,
)
from tinyforge.schedule.decision import Decision, State
from tinyforge.store.port.access import AuditEntry
from tinyforge.store.port.endpoints import EndpointRow, EndpointWrite
from tinyforge.store.port.secrets import Secrecy

What: TypeAlias = Literal["trigger", "workload", "binding"]


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
    endpoints: Sequence[EndpointRow] = ()


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
    endpoints: Sequence[EndpointWrite] = ()  # those of triggers that are deleted end as well
    secrecy: Secrecy = Secrecy()
    broken: Sequence[BrokenMark] = ()
    planned: Sequence[Unplanned] = ()  # rows changed by hand that are dealt with by this
    entry: AuditEntry | None = None  # of the audit, stored with it


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

    async def revisions(self, what: What, row_id: int) -> list[Revision]:
        """Return the versions of one row's config, the first one first."""
        ...

    def new_id(self, now: Moment) -> int:
        """Return an id that is higher than all before."""
        ...

    def new_ids(self, count: int, now: Moment) -> list[int]: ...
