"""Triggers, workloads and bindings by name, page by page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from tinyforge.ids import show
from tinyforge.model import Binding, Trigger, TriggerId, Workload, WorkloadId
from tinyforge.operations.callers import Caller
from tinyforge.operations.naming import Names, read_names
from tinyforge.operations.refusals import PREFIXES, id_of
from tinyforge.operations.rendering import (
    binding_view,
    state_of,
    trigger_view,
    workload_view,
)
from tinyforge.operations.roles import Reads
from tinyforge.operations.views import (
    BindingView,
    Page,
    TriggerState,
    TriggerView,
    WorkloadView,
)
from tinyforge.plugins.masks import Masks
from tinyforge.store.port import Inspected, RowFilter, What

READ_AT_ONCE = 1_000


class Wanted(Struct, frozen=True, kw_only=True):
    """Which rows; None: any. *after*: the cursor of the page before."""

    kind: str | None = None
    state: TriggerState | None = None
    enabled: bool | None = None
    trigger: str | None = None
    workload: str | None = None
    after: str | None = None
    limit: int = 50


class Found(Struct, frozen=True, kw_only=True):
    rows: list[Inspected]
    next: str | None


@dataclass(frozen=True)
class Lists:
    reads: Reads
    masks: Masks

    async def triggers(self, caller: Caller, wanted: Wanted) -> Page[TriggerView]:
        def fits(one: Inspected) -> bool:
            row = one.row
            return (
                isinstance(row, Trigger)
                and caller.sees_trigger(row.name)
                and wanted.state in (None, state_of(row, one.timing))
                and wanted.enabled in (None, row.enabled)
            )

        asked = RowFilter(what="trigger", kind=wanted.kind, after=_place("trigger", wanted))
        found = await self._page(asked, fits, wanted.limit)
        rows = [(one.row, one.timing) for one in found.rows if isinstance(one.row, Trigger)]
        bound = await self._bound([row.id for row, _ in rows])
        endpoints = await self.reads.endpoints_of([row.id for row, _ in rows])
        views = [
            trigger_view(
                self.masks.trigger(row), timing, bound.get(row.id, ()), endpoints.get(row.id)
            )
            for row, timing in rows
        ]
        return Page(items=views, next=found.next)

    async def workloads(self, caller: Caller, wanted: Wanted) -> Page[WorkloadView]:
        def fits(one: Inspected) -> bool:
            return isinstance(one.row, Workload) and caller.sees_workload(one.row.name)

        asked = RowFilter(what="workload", kind=wanted.kind, after=_place("workload", wanted))
        found = await self._page(asked, fits, wanted.limit)
        rows = [one.row for one in found.rows if isinstance(one.row, Workload)]
        views = [workload_view(self.masks.workload(row)) for row in rows]
        return Page(items=views, next=found.next)

    async def bindings(self, caller: Caller, wanted: Wanted) -> Page[BindingView]:
        asked = RowFilter(
            what="binding",
            after=_place("binding", wanted),
            trigger_id=await self._trigger_id(wanted.trigger, caller),
            workload_id=await self._workload_id(wanted.workload, caller),
        )
        names = Names()
        if caller.is_narrowed:  # whether a binding is in sight its ends say
            names = await self._all_ends()

        def fits(one: Inspected) -> bool:
            row = one.row
            if not isinstance(row, Binding) or wanted.enabled not in (None, row.enabled):
                return False
            return not caller.is_narrowed or caller.sees_pair(
                names.trigger(row.trigger_id), names.workload(row.workload_id)
            )

        found = await self._page(asked, fits, wanted.limit)
        rows = [one.row for one in found.rows if isinstance(one.row, Binding)]
        return Page(items=await self.views_of(rows), next=found.next)

    async def views_of(self, rows: list[Binding]) -> list[BindingView]:
        """Return bindings with the names of their ends."""
        names = await read_names(
            self.reads,
            triggers=(row.trigger_id for row in rows),
            workloads=(row.workload_id for row in rows),
        )
        return [
            binding_view(row, names.trigger(row.trigger_id), names.workload(row.workload_id))
            for row in rows
        ]

    async def _page(self, asked: RowFilter, fits: Callable[[Inspected], bool], limit: int) -> Found:
        """Read on until the page is full and one more row is there, or there are no more."""
        found: list[Inspected] = []
        while len(found) <= limit:
            rows = await self.reads.rows(replace(asked, limit=READ_AT_ONCE))
            found += [one for one in rows if fits(one)]
            last = rows[-1].row if rows else None
            if len(rows) < READ_AT_ONCE or last is None:
                break
            asked = replace(asked, after=last.id)
        kept = found[:limit]
        end = kept[-1].row if len(found) > limit else None
        return Found(rows=kept, next=show(PREFIXES[asked.what], end.id) if end else None)

    async def _bound(self, ids: list[TriggerId]) -> dict[int, list[str]]:
        """Return the names of the workloads bound to each trigger, sorted."""
        bindings = await self.reads.bindings_of_rows("trigger", ids)
        names = await read_names(self.reads, workloads=(row.workload_id for row in bindings))
        bound: dict[int, list[str]] = {}
        for row in bindings:
            if name := names.workloads.get(row.workload_id):
                bound.setdefault(row.trigger_id, []).append(name)
        return {trigger_id: sorted(found) for trigger_id, found in bound.items()}

    async def _all_ends(self) -> Names:
        catalog = await self.reads.catalog()
        return Names(
            triggers={row.id: row.name for row in catalog.triggers},
            workloads={row.id: row.name for row in catalog.workloads},
        )

    async def _trigger_id(self, name: str | None, caller: Caller) -> TriggerId | None:
        if name is None:
            return None
        caller.must_see_trigger(name)
        return (await self.reads.trigger_named(name))[0].id

    async def _workload_id(self, name: str | None, caller: Caller) -> WorkloadId | None:
        if name is None:
            return None
        caller.must_see_workload(name)
        return (await self.reads.workload_named(name)).id


def _place(what: What, wanted: Wanted) -> int | None:
    if wanted.after is None:
        return None
    return id_of(what, wanted.after)
