"""Everything that the deploys of taken runs need, read for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tinyforge.engine.worker import Order
from tinyforge.errors import InvalidConfig, UnknownKind
from tinyforge.kinds import WorkloadKind
from tinyforge.model import Event, Queue, TriggerId, Workload, WorkloadId
from tinyforge.plugins import Plugins
from tinyforge.store.port import Config, Runs, Schedules, TakenRun

MOST_WORKLOADS = 20_000
GONE = "its workload was deleted"


class OrderStore(Runs, Config, Schedules, Protocol):
    """The roles that this room needs."""


@dataclass
class Orders:
    store: OrderStore
    plugins: Plugins
    _generation: int | None = None
    _workloads: dict[WorkloadId, tuple[Workload, WorkloadKind | None, str]] = field(
        default_factory=dict
    )

    async def prepare(self, taken: Sequence[TakenRun]) -> list[Order]:
        """Return an order for each run; one that cannot be deployed says why."""
        await self._know([run.workload_id for run in taken])
        events = await self.store.events_by_id([run.event_id for run in taken])
        triggers = await self.store.trigger_labels({event.trigger_id for event in events.values()})
        return [self._order(run, events[run.event_id], triggers) for run in taken]

    async def workload(self, workload_id: WorkloadId) -> Workload:
        await self._know([workload_id])
        return self._workloads[workload_id][0]

    def _order(
        self, run: TakenRun, event: Event, triggers: dict[TriggerId, tuple[str, str]]
    ) -> Order:
        workload, kind, refusal = self._workloads[run.workload_id]
        name, trigger_kind = triggers.get(event.trigger_id, ("", ""))
        return Order(
            run=run,
            event=event,
            workload=workload,
            kind=kind,
            refusal=refusal,
            trigger=name,
            trigger_kind=trigger_kind,
        )

    async def _know(self, wanted: Sequence[WorkloadId]) -> None:
        """Read workloads that are not known in the config in force."""
        generation = await self.store.generation()
        if generation != self._generation or len(self._workloads) > MOST_WORKLOADS:
            self._workloads.clear()
            self._generation = generation
        missing = sorted(set(wanted) - self._workloads.keys())
        if not missing:
            return
        found = await self.store.workloads_by_id(missing)
        for workload_id in missing:
            self._workloads[workload_id] = self._built(workload_id, found.get(workload_id))

    def _built(
        self, workload_id: WorkloadId, workload: Workload | None
    ) -> tuple[Workload, WorkloadKind | None, str]:
        if workload is None:
            gone = Workload(
                id=workload_id, name="(deleted)", kind="", config={}, queue=Queue.LATEST
            )
            return gone, None, GONE
        if workload.broken:
            return workload, None, f"the workload is broken: {workload.broken}"
        try:
            return workload, self.plugins.workload(workload.kind, workload.config), ""
        except (UnknownKind, InvalidConfig) as problem:
            return workload, None, str(problem)
