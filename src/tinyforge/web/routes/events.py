"""Events, newest first, and what became of each."""

from __future__ import annotations

from litestar import get

from tinyforge.operations.views import EventDetail, EventView, Page
from tinyforge.web.routes.parameters import READ, Asker, Count, Doors, Name, Text


@get("/events", opt=READ)
async def events(
    doors: Doors,
    caller: Asker,
    trigger: Text = None,
    before: Text = None,
    limit: Count = 50,
) -> Page[EventView]:
    return await doors.events.find(caller, trigger, before, limit)


@get("/events/{event_id:str}", opt=READ)
async def event(doors: Doors, caller: Asker, event_id: Name) -> EventDetail:
    return await doors.events.show(event_id, caller)


ROUTES = (events, event)
