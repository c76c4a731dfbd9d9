"""Events, newest first, and what became of each."""

from __future__ import annotations

from litestar import get

from tinyforge.operations.events import Within
from tinyforge.operations.views import EventDetail, EventView, Page, ResultView
from tinyforge.web.reading import moment_of
from tinyforge.web.routes.parameters import (
    READ,
    After,
    Asker,
    Before,
    Count,
    Doors,
    EventId,
    Kind,
    OfTrigger,
    Since,
    Until,
)


@get("/events", opt=READ)
async def events(  # noqa: PLR0913 - one for each filter
    doors: Doors,
    caller: Asker,
    *,
    trigger: OfTrigger = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    before: Before = None,
    limit: Count = 50,
) -> Page[EventView]:
    """List events, newest first; the kind is that of their trigger."""
    within = Within(kind=kind, since=moment_of("since", since), until=moment_of("until", until))
    return await doors.events.find(caller, trigger, before, limit, within)


@get("/events/{event_id:str}", opt=READ)
async def event(doors: Doors, caller: Asker, event_id: EventId) -> EventDetail:
    """Return one event with what became of each binding."""
    return await doors.events.show(event_id, caller)


@get("/events/{event_id:str}/results", opt=READ)
async def results(
    doors: Doors, caller: Asker, event_id: EventId, after: After = None, limit: Count = 50
) -> Page[ResultView]:
    """Return what became of each binding: a run, or why there is none."""
    return await doors.events.results_of(event_id, caller, after, limit)


ROUTES = (events, event, results)
