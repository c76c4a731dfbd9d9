"""Triggers: which there are, putting one to rest, firing it, and what it does and will do."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import JSONBody

from tinyforge.operations.answers import DecidedView, ExplainView, PreviewView, SimulateView
from tinyforge.operations.lists import Wanted
from tinyforge.operations.views import (
    TRIGGER_STATES,
    FireRequest,
    FireView,
    Page,
    SampleRequest,
    SampleView,
    SetupView,
    SwitchView,
    TriggerDetail,
    TriggerView,
)
from tinyforge.web.reading import length_of, moment_of, one_of, truth_of
from tinyforge.web.routes.parameters import (
    DEPLOY,
    READ,
    After,
    AfterMoment,
    Asker,
    At,
    Before,
    Count,
    Doors,
    Enabled,
    From,
    IdempotencyKey,
    Kind,
    RowName,
    To,
    TriggerBeing,
    Wait,
)
from tinyforge.web.versions import versioned


@get("/triggers", opt=READ)
async def triggers(  # noqa: PLR0913 - one for each filter
    doors: Doors,
    caller: Asker,
    *,
    kind: Kind = None,
    being: TriggerBeing = None,
    enabled: Enabled = None,
    after: After = None,
    limit: Count = 50,
) -> Page[TriggerView]:
    """List triggers by name."""
    wanted = Wanted(
        kind=kind,
        state=one_of("state", being, TRIGGER_STATES),
        enabled=truth_of("enabled", enabled),
        after=after,
        limit=limit,
    )
    return await doors.lists.triggers(caller, wanted)


@get("/triggers/{name:str}", opt=READ)
async def trigger(doors: Doors, caller: Asker, name: RowName) -> Response[TriggerDetail]:
    """Return one trigger with its timing, its bindings, its versions and its latest events."""
    detail = await doors.triggers.show(name, caller)
    return versioned(detail, detail.trigger.revision)


@post("/triggers/{name:str}/pause", status_code=200, opt=DEPLOY)
async def pause(doors: Doors, caller: Asker, name: RowName) -> SwitchView:
    """Put a schedule to rest: nothing of it is decided until it is resumed."""
    return await doors.triggers.pause(name, caller)


@post("/triggers/{name:str}/resume", status_code=200, opt=DEPLOY)
async def resume(doors: Doors, caller: Asker, name: RowName) -> SwitchView:
    """Resume a schedule: of the windows that passed meanwhile at most one fires."""
    return await doors.triggers.resume(name, caller)


@post("/triggers/{name:str}/fire", status_code=200, opt=DEPLOY)
async def fire(  # noqa: PLR0913 - what may be asked of a fire
    doors: Doors,
    caller: Asker,
    name: RowName,
    data: JSONBody[FireRequest],
    *,
    key: IdempotencyKey = None,
    wait: Wait = None,
) -> FireView:
    """Fire a trigger of any kind now."""
    patience = length_of("wait", wait)
    fired = await doors.firing.fire(name, data.facts, caller, dry_run=data.dry_run, key=key)
    if patience is None:
        return fired
    return await doors.watching.waiting.until_over(fired, patience)


@get("/triggers/{name:str}/endpoint", opt={**READ, "also": (409,)})
async def endpoint(doors: Doors, caller: Asker, name: RowName) -> SetupView:
    """Return the URL of a trigger that receives webhooks, and what to enter at its provider."""
    return await doors.endpoints.setup(name, caller)


@post("/triggers/{name:str}/test", status_code=200, opt=DEPLOY)
async def sample(
    doors: Doors, caller: Asker, name: RowName, data: JSONBody[SampleRequest]
) -> SampleView:
    """Send a signed sample through the endpoint; nothing is deployed unless that is asked for."""
    return await doors.endpoints.test(name, data, caller)


@get("/triggers/{name:str}/preview", opt=READ)
async def preview(
    doors: Doors, caller: Asker, name: RowName, count: Count = 10, after: AfterMoment = None
) -> PreviewView:
    """Return the next windows of one schedule."""
    return await doors.forecasts.preview(name, caller, count, moment_of("after", after))


@get("/triggers/{name:str}/windows", opt=READ)
async def windows(
    doors: Doors, caller: Asker, name: RowName, before: Before = None, limit: Count = 50
) -> Page[DecidedView]:
    """Return what was decided of a schedule's windows, the newest first."""
    return await doors.windows.decided(caller, name, before, limit)


@get("/triggers/{name:str}/explain", opt=READ)
async def explain(doors: Doors, caller: Asker, name: RowName, at: At = None) -> ExplainView:
    """Say why a trigger fired or did not, at a moment or lately."""
    return await doors.explain.explain(name, caller, moment_of("at", at))


@get("/preview", opt=READ)
async def preview_all(
    doors: Doors, caller: Asker, count: Count = 10, after: AfterMoment = None
) -> PreviewView:
    """Return the next windows of all schedules."""
    return await doors.forecasts.preview_all(caller, count, moment_of("after", after))


@get("/simulate", opt={**READ, "also": (409,)})
async def simulate(
    doors: Doors, caller: Asker, since: From = None, until: To = None
) -> SimulateView:
    """Return all windows of a stretch of time, and how many fall into each minute."""
    return await doors.forecasts.simulate(caller, moment_of("from", since), moment_of("to", until))


ROUTES = (
    *(triggers, trigger, pause, resume, fire, endpoint, sample),
    *(preview, windows, explain, preview_all, simulate),
)
