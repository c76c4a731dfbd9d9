"""What operations need of the rooms below, by role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tinyforge.clock import Moment
from tinyforge.model import Event, EventDraft, EventId, Result, RunId, Trigger, Workload, WorkloadId
from tinyforge.sealing import Keyring
from tinyforge.store.port import (
    AuditEntry,
    Config,
    Endpoints,
    History,
    Listing,
    Owner,
    Replica,
    SecretRow,
    Timing,
    TimingWrite,
)


class Reads(Config, Endpoints, History, Listing, Protocol):
    """Config and what came of it."""

    async def events_by_id(self, ids: Sequence[EventId]) -> dict[EventId, Event]: ...


class Queues(Reads, Protocol):
    """The same, and who may take what is queued."""

    async def workloads_by_id(self, ids: Sequence[WorkloadId]) -> dict[WorkloadId, Workload]: ...

    async def replicas(self) -> Sequence[Replica]: ...


class Vaults(Protocol):
    """Secrets that were typed into configs."""

    @property
    def keyring(self) -> Keyring: ...

    @property
    def keys(self) -> Sequence[str]:
        """The ids of the keys that we hold, the one that seals first; a key is made if need be."""
        ...

    async def refresh(self) -> None:
        """Know what is sealed in the config in force."""
        ...

    def forget(self) -> None:
        """Read all anew at the next refresh."""
        ...

    def value(self, name: str) -> str | None:
        """Return what is sealed under a name; None: nothing. KeyMissing, SealBroken."""
        ...

    def seal(self, place: tuple[int, Owner, str, str], plain: str, now: Moment) -> SecretRow:
        """Return the row of a secret at *place*: its id, what has it, its name, the field."""
        ...


class Receipt(Protocol):
    """What became of a draft; no event: nothing new."""

    @property
    def event(self) -> Event | None: ...
    @property
    def results(self) -> Sequence[Result]: ...
    @property
    def reason(self) -> str: ...


class Fires(Protocol):
    async def fire(self, draft: EventDraft, entry: AuditEntry | None = None) -> Receipt:
        """Store an event, with *entry* (the event will be its `after`) beside it, and fan out."""
        ...

    async def rehearse(self, draft: EventDraft) -> Sequence[Result]:
        """Say what `fire` would give, and store nothing."""
        ...


class Plans(Protocol):
    def follow(
        self, after: Trigger | None, timing: Timing | None, now: Moment
    ) -> TimingWrite | None:
        """Return what a change of config makes of a schedule; None: nothing."""
        ...

    def pause(self, timing: Timing, now: Moment) -> TimingWrite | None:
        """Return None where it is paused already."""
        ...

    def resume(self, timing: Timing, now: Moment) -> TimingWrite | None:
        """Return None where it is not paused."""
        ...


class Ticks(Protocol):
    def wake(self) -> None:
        """Look again: config has changed."""
        ...

    async def deliver(self, events: Sequence[Event]) -> None:
        """Fan out events that a change of config fired."""
        ...


class Works(Protocol):
    def wake(self) -> None: ...

    async def cancel(self, run_id: RunId, actor: str) -> None:
        """Raise NotFound, or Conflict where the run is over."""
        ...
