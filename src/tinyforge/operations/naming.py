"""The names of rows that history points at, deleted ones included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from tinyforge.ids import show
from tinyforge.model import BindingId, Run, TriggerId, WorkloadId
from tinyforge.operations.roles import Reads


class Names(Struct, frozen=True, kw_only=True):
    """A row that is gone for good is named by its id."""

    triggers: Mapping[int, str] = {}
    workloads: Mapping[int, str] = {}
    bindings: Mapping[int, str] = {}

    def trigger(self, trigger_id: TriggerId) -> str:
        return self.triggers.get(trigger_id) or show("trg", trigger_id)

    def workload(self, workload_id: WorkloadId) -> str:
        return self.workloads.get(workload_id) or show("wld", workload_id)

    def binding(self, binding_id: BindingId) -> str:
        return self.bindings.get(binding_id) or show("bnd", binding_id)


async def read_names(
    reads: Reads,
    *,
    triggers: Iterable[TriggerId] = (),
    workloads: Iterable[WorkloadId] = (),
    bindings: Iterable[BindingId] = (),
) -> Names:
    return Names(
        triggers=await reads.names("trigger", sorted(set(triggers))),
        workloads=await reads.names("workload", sorted(set(workloads))),
        bindings=await reads.names("binding", sorted(set(bindings))),
    )


async def names_of_runs(reads: Reads, runs: Iterable[Run], triggers: Iterable[TriggerId]) -> Names:
    there = list(runs)
    return await read_names(
        reads,
        triggers=triggers,
        workloads=(run.workload_id for run in there),
        bindings=(run.binding_id for run in there),
    )
