"""Workloads: what can be deployed, and what deploys it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tinyforge.model import Workload
from tinyforge.operations.callers import Caller
from tinyforge.operations.rendering import binding_view, revision_view, workload_view
from tinyforge.operations.roles import Reads
from tinyforge.operations.runs import Runs
from tinyforge.operations.views import BindingView, Page, WorkloadDetail, WorkloadView
from tinyforge.plugins.masks import Masks
from tinyforge.store.port import Catalog, RunFilter

LATEST_RUNS = 10


@dataclass(frozen=True)
class Workloads:
    reads: Reads
    runs: Runs
    masks: Masks

    async def find(self, caller: Caller) -> Page[WorkloadView]:
        """Return all workloads by name that the caller sees."""
        views = await asyncio.to_thread(_workloads, await self.reads.catalog(), self.masks)
        return Page(items=[view for view in views if caller.sees_workload(view.name)])

    async def bindings(self, caller: Caller) -> Page[BindingView]:
        """Return all bindings by name that the caller sees an end of."""
        views = await asyncio.to_thread(_bindings, await self.reads.catalog())
        return Page(items=[one for one in views if caller.sees_pair(one.trigger, one.workload)])

    async def show(self, name: str, caller: Caller) -> WorkloadDetail:
        caller.must_see_workload(name)
        workload = await self.reads.workload_named(name)
        bindings = _bindings(await self.reads.catalog(), workload)
        revisions = await self.reads.revisions("workload", workload.id)
        latest = await self.reads.runs(RunFilter(workload_id=workload.id, limit=LATEST_RUNS))
        return WorkloadDetail(
            workload=workload_view(self.masks.workload(workload)),
            bindings=bindings,
            revisions=[revision_view(one) for one in self.masks.revisions(revisions)],
            runs=await self.runs.views(latest),
        )


def _workloads(catalog: Catalog, masks: Masks) -> list[WorkloadView]:
    rows = sorted(catalog.workloads, key=lambda row: row.name)
    return [workload_view(masks.workload(row)) for row in rows]


def _bindings(catalog: Catalog, of: Workload | None = None) -> list[BindingView]:
    triggers = {trigger.id: trigger.name for trigger in catalog.triggers}
    workloads = {workload.id: workload.name for workload in catalog.workloads}
    return [
        binding_view(
            binding,
            triggers.get(binding.trigger_id, ""),
            workloads.get(binding.workload_id, ""),
        )
        for binding in sorted(catalog.bindings, key=lambda binding: binding.name)
        if of is None or binding.workload_id == of.id
    ]
