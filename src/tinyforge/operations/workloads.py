"""Workloads: what can be deployed, and what deploys it."""

from __future__ import annotations

from dataclasses import dataclass

from tinyforge.operations.callers import Caller
from tinyforge.operations.naming import read_names
from tinyforge.operations.rendering import binding_view, revision_view, workload_view
from tinyforge.operations.roles import Reads
from tinyforge.operations.runs import Runs
from tinyforge.operations.views import WorkloadDetail
from tinyforge.plugins.masks import Masks
from tinyforge.store.port import RunFilter

LATEST_RUNS = 10


@dataclass(frozen=True)
class Workloads:
    reads: Reads
    runs: Runs
    masks: Masks

    async def show(self, name: str, caller: Caller) -> WorkloadDetail:
        caller.must_see_workload(name)
        workload = await self.reads.workload_named(name)
        bindings = await self.reads.bindings_of_rows("workload", [workload.id])
        names = await read_names(self.reads, triggers=(one.trigger_id for one in bindings))
        revisions = await self.reads.revisions("workload", workload.id)
        latest = await self.reads.runs(RunFilter(workload_id=workload.id, limit=LATEST_RUNS))
        return WorkloadDetail(
            workload=workload_view(self.masks.workload(workload)),
            bindings=[binding_view(one, names.trigger(one.trigger_id), name) for one in bindings],
            revisions=[revision_view(one) for one in self.masks.revisions(revisions)],
            runs=await self.runs.views(latest),
        )
