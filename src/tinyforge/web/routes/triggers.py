"""Triggers: which there are, putting one to rest, firing it, and what it will do."""

from __future__ import annotations

from litestar import get, post
from litestar.params import JSONBody

from tinyforge.operations.answers import ExplainView, PreviewView, SimulateView
from tinyforge.operations.views import (
    TRIGGER_STATES,
    FireRequest,
    FireView,
    Page,
    SwitchView,
    TriggerDetail,
    TriggerView,
)
from tinyforge.web.reading import moment_of, one_of
from tinyforge.web.routes.parameters import (
    DEPLOY,
    READ,
    Actor,
    Count,
    Doors,
    From,
    Name,
    State,
    Text,
    To,
)


@get("/triggers", opt=READ)
async def triggers(doors: Doors, kind: Text = None, being: State = None) -> Page[TriggerView]:
    return await doors.triggers.find(kind, one_of("state", being, TRIGGER_STATES))


@get("/triggers/{name:str}", opt=READ)
async def trigger(doors: Doors, name: Name) -> TriggerDetail:
    return await doors.triggers.show(name)


@post("/triggers/{name:str}/pause", status_code=200, opt=DEPLOY)
async def pause(doors: Doors, actor: Actor, name: Name) -> SwitchView:
    return await doors.triggers.pause(name, actor)


@post("/triggers/{name:str}/resume", status_code=200, opt=DEPLOY)
async def resume(doors: Doors, actor: Actor, name: Name) -> SwitchView:
    return await doors.triggers.resume(name, actor)


@post("/triggers/{name:str}/fire", status_code=200, opt=DEPLOY)
async def fire(doors: Doors, actor: Actor, name: Name, data: JSONBody[FireRequest]) -> FireView:
    return await doors.firing.fire(name, data.facts, actor, dry_run=data.dry_run)


@get("/triggers/{name:str}/preview", opt=READ)
async def preview(doors: Doors, name: Name, count: Count = 10, after: Text = None) -> PreviewView:
    return await doors.forecasts.preview(name, count, moment_of("after", after))


@get("/triggers/{name:str}/explain", opt=READ)
async def explain(doors: Doors, name: Name, at: Text = None) -> ExplainView:
    return await doors.explain.explain(name, moment_of("at", at))


@get("/preview", opt=READ)
async def preview_all(doors: Doors, count: Count = 10, after: Text = None) -> PreviewView:
    return await doors.forecasts.preview_all(count, moment_of("after", after))


@get("/simulate", opt=READ)
async def simulate(doors: Doors, since: From = None, until: To = None) -> SimulateView:
    return await doors.forecasts.simulate(moment_of("from", since), moment_of("to", until))


ROUTES = (triggers, trigger, pause, resume, fire, preview, explain, preview_all, simulate)
