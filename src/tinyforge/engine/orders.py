"""Everything that the deploys of taken runs need, read for a whole batch at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import NamedTuple, Protocol

from tinyforge.engine.facts import has_several, told_to_run
from tinyforge.engine.recent import Fresh, Recent
from tinyforge.engine.vault import Vault
from tinyforge.engine.worker import Order
from tinyforge.errors import InvalidConfig, UnknownKind
from tinyforge.kinds import WorkloadKind
from tinyforge.model import Event, EventId, RunId, TriggerId, Workload, WorkloadId
from tinyforge.plugins import Plugins
from tinyforge.store.port import Config, Runs, Schedules, TakenRun

NOBODY = TriggerId(0)
EVENT_GONE = "its event was deleted"
MOST_WORKLOADS = 20_000
MOST_LABELS = 100_000
GONE = "its workload was deleted"


class Known(NamedTuple):
    """A workload with its kind; without one, *refusal* says why."""

    workload: Workload
    kind: WorkloadKind | None
    is_async: bool
    refusal: str


class OrderStore(Runs, Config, Schedules, Protocol):
    """The roles that this room needs."""


@dataclass
class Orders:
    store: OrderStore
    plugins: Plugins
    recent: Recent
    vault: Vault
    _generation: int | None = None
    _known: dict[WorkloadId, Known] = field(default_factory=dict)
    _labels: dict[TriggerId, tuple[str, str]] = field(default_factory=dict)

    async def prepare(self, taken: Sequence[TakenRun]) -> list[Order]:
        """Return an order for each run; one that cannot be deployed says why."""
        await self._know([run.workload_id for run in taken])
        ids = [run.event_id for run in taken]
        fresh = self.recent.known(ids)
        others = [number for number in ids if number not in fresh]
        read = await self._read(others) if others else {}
        causes = {**read, **fresh}
        places = await self._places(taken, causes)
        return [self._order(run, causes.get(run.event_id), places.get(run.run_id)) for run in taken]

    async def _read(self, ids: Sequence[EventId]) -> dict[EventId, Fresh]:
        events = await self.store.events_by_id(ids)
        labels = self._labels
        missing = {e.trigger_id for e in events.values() if e.trigger_id not in labels}
        if missing:
            labels.update(await self.store.trigger_labels(missing))
        return {
            number: Fresh(event, *labels.get(event.trigger_id, ("", "")))
            for number, event in events.items()
        }

    async def _places(
        self, taken: Sequence[TakenRun], causes: Mapping[EventId, Fresh]
    ) -> Mapping[RunId, int]:
        """Return which change a run deploys, of those whose event has several."""
        several = {number for number, cause in causes.items() if has_several(cause.event)}
        asked = [run.run_id for run in taken if run.event_id in several]
        return await self.store.changes_of(asked) if asked else {}

    async def workload(self, workload_id: WorkloadId) -> Workload:
        await self._know([workload_id])
        return self._known[workload_id].workload

    def _order(self, run: TakenRun, cause: Fresh | None, place: int | None) -> Order:
        workload, kind, is_async, refusal = self._known[run.workload_id]
        if cause is None:  # taken out by a hand
            cause = Fresh(Event(id=run.event_id, trigger_id=NOBODY, accepted_at=0), "", "")
            kind, refusal = None, EVENT_GONE
        return Order(
            run=run,
            event=told_to_run(cause.event, place),
            workload=workload,
            kind=kind,
            refusal=refusal,
            is_async=is_async,
            trigger=cause.trigger,
            trigger_kind=cause.kind,
        )

    async def _know(self, wanted: Sequence[WorkloadId]) -> None:
        """Read workloads that are not known in the config in force."""
        generation = await self.store.generation()
        if generation != self._generation or len(self._known) > MOST_WORKLOADS:
            self._known.clear()
            self._labels.clear()
            self._generation = generation
            await self.vault.refresh()
        if len(self._labels) > MOST_LABELS:
            self._labels.clear()
        missing = sorted({number for number in wanted if number not in self._known})
        if not missing:
            return
        found = await self.store.workloads_by_id(missing)
        for workload_id in missing:
            self._known[workload_id] = self._built(workload_id, found.get(workload_id))

    def _built(self, workload_id: WorkloadId, workload: Workload | None) -> Known:
        if workload is None:
            gone = Workload(id=workload_id, name="(deleted)", kind="", config={})
            return Known(gone, None, True, GONE)
        if workload.broken:
            return Known(workload, None, True, f"the workload is broken: {workload.broken}")
        try:
            kind = self.plugins.workload(workload.kind, workload.config)
        except (UnknownKind, InvalidConfig) as problem:
            return Known(workload, None, True, str(problem))
        return Known(workload, kind, iscoroutinefunction(kind.deploy), "")
