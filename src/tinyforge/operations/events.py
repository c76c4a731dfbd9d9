"""Events and what became of them, binding by binding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.errors import NotFound
from tinyforge.ids import lowest, show
from tinyforge.model import Event, EventId, Result, Run, TriggerId
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.naming import read_names
from tinyforge.operations.placement import obstacles
from tinyforge.operations.refusals import id_of
from tinyforge.operations.rendering import event_view, result_view
from tinyforge.operations.roles import Queues
from tinyforge.operations.views import EventDetail, EventView, Page, ResultView
from tinyforge.store.port import EventFilter, RunFilter

ALL_OF_ONE_EVENT = 100_000


class Within(Struct, frozen=True, kw_only=True):
    """What else events must be; None: anything. *since* takes part, *until* does not."""

    kind: str | None = None  # of their trigger
    since: Moment | None = None
    until: Moment | None = None


ANYTHING = Within()


@dataclass(frozen=True)
class Events:
    reads: Queues

    async def find(
        self,
        caller: Caller,
        trigger: str | None = None,
        before: str | None = None,
        limit: int = 50,
        within: Within = ANYTHING,
    ) -> Page[EventView]:
        """Return events that the caller sees, newest first."""
        if trigger:
            caller.must_see_trigger(trigger)
        wanted = EventFilter(
            trigger_id=(await self.reads.trigger_named(trigger))[0].id if trigger else None,
            kind=within.kind,
            since=None if within.since is None else EventId(lowest(within.since)),
            before=EventId(below) if (below := _below(before, within.until)) else None,
            limit=limit,
            among=caller.triggers,
        )
        found = await self.reads.events(wanted)
        names = await read_names(self.reads, triggers=(event.trigger_id for event in found))
        return Page(
            items=[event_view(event, names.trigger(event.trigger_id)) for event in found],
            next=show("evt", found[-1].id) if len(found) == limit else None,
        )

    async def show(self, event_id: str, caller: Caller) -> EventDetail:
        detail = await self.detail(await self.reads.event(EventId(id_of("event", event_id))))
        if not caller.sees_trigger(detail.event.trigger):
            raise NotFound("event", event_id)
        return detail

    async def results_of(
        self, event_id: str, caller: Caller, after: str | None = None, limit: int = 50
    ) -> Page[ResultView]:
        """Return what became of each binding, in the order in which they were made."""
        event = await self.reads.event(EventId(id_of("event", event_id)))
        names = await read_names(self.reads, triggers=[event.trigger_id])
        if not caller.sees_trigger(names.trigger(event.trigger_id)):
            raise NotFound("event", event_id)
        place = id_of("binding", after) if after else -1
        results = (await self.reads.results([event.id])).get(event.id, [])
        rest = [one for one in results if one.binding_id > place]
        return Page(
            items=await self.results(event, rest[:limit]),
            next=show("bnd", rest[limit - 1].binding_id) if len(rest) > limit else None,
        )

    async def detail(self, event: Event) -> EventDetail:
        names = await read_names(self.reads, triggers=[event.trigger_id])
        results = (await self.reads.results([event.id])).get(event.id, [])
        shown = await self.results(event, results)
        return EventDetail(
            event=event_view(event, names.trigger(event.trigger_id)),
            results=shown,
            next_command=_after_event(event, names.trigger(event.trigger_id), shown),
        )

    async def results(self, event: Event, results: Sequence[Result]) -> list[ResultView]:
        """Return *results* with names and the states of their runs."""
        runs = await self.reads.runs(RunFilter(event_id=event.id, limit=ALL_OF_ONE_EVENT))
        return await self._views(event.trigger_id, results, runs)

    async def rehearsed(self, trigger_id: TriggerId, results: Sequence[Result]) -> list[ResultView]:
        """Return *results* with names, where they queued no run."""
        return await self._views(trigger_id, results, ())

    async def _views(
        self, trigger_id: TriggerId, results: Sequence[Result], runs: Sequence[Run]
    ) -> list[ResultView]:
        by_id: dict[int, Run] = {run.id: run for run in runs}
        bound = {b.id: b.workload_id for b in await self.reads.bindings_of(trigger_id)}
        bound |= {run.binding_id: run.workload_id for run in runs}
        names = await read_names(
            self.reads,
            triggers=[trigger_id],
            workloads=bound.values(),
            bindings=(result.binding_id for result in results),
        )
        trigger = names.trigger(trigger_id)
        found = await obstacles(self.reads, list(runs))
        waiting = {run_id: f"waits: {one.why}" for run_id, one in found.items()}
        views = [
            result_view(one, trigger, names, bound.get(one.binding_id), by_id.get(one.run_id or 0))
            for one in results
        ]
        return [
            replace(view, reason=waiting.get(one.run_id, view.reason)) if one.run_id else view
            for one, view in zip(results, views, strict=True)
        ]


def _below(before: str | None, until: Moment | None) -> int | None:
    """Return the lowest of what must not be reached; ids go with time."""
    bounds = [id_of("event", before)] if before else []
    bounds += [] if until is None else [lowest(until)]
    return min(bounds, default=None)


def _after_event(event: Event, trigger: str, results: Sequence[ResultView]) -> str:
    if event.fanned_at is None:
        return command("event", "show", show("evt", event.id))
    suggested = [result.next_command for result in results if result.next_command]
    return suggested[0] if suggested else command("trigger", "show", trigger)
