"""The routes of `/api/v1`. Each only translates to an operation."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation

from tinyforge.operations.answers import (
    DoctorView,
    ExplainView,
    ExportView,
    HealthView,
    PlanView,
    PreviewView,
    SimulateView,
    VerifyView,
)
from tinyforge.operations.door import Operations
from tinyforge.operations.runs import RUN_WORDS, Wanted
from tinyforge.operations.views import (
    TRIGGER_STATES,
    BindingView,
    DeployRequest,
    EventDetail,
    EventView,
    FireRequest,
    FireView,
    LogView,
    ManifestRequest,
    Page,
    RunDetail,
    RunView,
    SwitchView,
    TriggerDetail,
    TriggerView,
    WorkloadDetail,
    WorkloadView,
)
from tinyforge.web.reading import moment_of, one_of

Doors: TypeAlias = SkipValidation[NamedDependency[Operations]]
Actor: TypeAlias = NamedDependency[str]
Name: TypeAlias = FromPath[str]
Text: TypeAlias = FromQuery[str | None]
Count: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1_000)]
Seq: TypeAlias = Annotated[int, QueryParameter(ge=-1, le=2**62)]
State: TypeAlias = Annotated[str | None, QueryParameter(name="state")]
From: TypeAlias = Annotated[str | None, QueryParameter(name="from")]
To: TypeAlias = Annotated[str | None, QueryParameter(name="to")]


# --- triggers


@get("/triggers")
async def triggers(doors: Doors, kind: Text = None, being: State = None) -> Page[TriggerView]:
    return await doors.triggers.find(kind, one_of("state", being, TRIGGER_STATES))


@get("/triggers/{name:str}")
async def trigger(doors: Doors, name: Name) -> TriggerDetail:
    return await doors.triggers.show(name)


@post("/triggers/{name:str}/pause", status_code=200)
async def pause(doors: Doors, actor: Actor, name: Name) -> SwitchView:
    return await doors.triggers.pause(name, actor)


@post("/triggers/{name:str}/resume", status_code=200)
async def resume(doors: Doors, actor: Actor, name: Name) -> SwitchView:
    return await doors.triggers.resume(name, actor)


@post("/triggers/{name:str}/fire", status_code=200)
async def fire(doors: Doors, actor: Actor, name: Name, data: JSONBody[FireRequest]) -> FireView:
    return await doors.firing.fire(name, data.facts, actor, dry_run=data.dry_run)


@get("/triggers/{name:str}/preview")
async def preview(doors: Doors, name: Name, count: Count = 10, after: Text = None) -> PreviewView:
    return await doors.forecasts.preview(name, count, moment_of("after", after))


@get("/triggers/{name:str}/explain")
async def explain(doors: Doors, name: Name, at: Text = None) -> ExplainView:
    return await doors.explain.explain(name, moment_of("at", at))


@get("/preview")
async def preview_all(doors: Doors, count: Count = 10, after: Text = None) -> PreviewView:
    return await doors.forecasts.preview_all(count, moment_of("after", after))


@get("/simulate")
async def simulate(doors: Doors, since: From = None, until: To = None) -> SimulateView:
    return await doors.forecasts.simulate(moment_of("from", since), moment_of("to", until))


# --- workloads and bindings


@get("/workloads")
async def workloads(doors: Doors) -> Page[WorkloadView]:
    return await doors.workloads.find()


@get("/workloads/{name:str}")
async def workload(doors: Doors, name: Name) -> WorkloadDetail:
    return await doors.workloads.show(name)


@post("/workloads/{name:str}/deploy", status_code=200)
async def deploy(doors: Doors, actor: Actor, name: Name, data: JSONBody[DeployRequest]) -> FireView:
    return await doors.firing.deploy(name, actor, dry_run=data.dry_run)


@get("/bindings")
async def bindings(doors: Doors) -> Page[BindingView]:
    return await doors.workloads.bindings()


# --- events and runs


@get("/events")
async def events(
    doors: Doors, trigger: Text = None, before: Text = None, limit: Count = 50
) -> Page[EventView]:
    return await doors.events.find(trigger, before, limit)


@get("/events/{event_id:str}")
async def event(doors: Doors, event_id: Name) -> EventDetail:
    return await doors.events.show(event_id)


@get("/runs")
async def runs(  # noqa: PLR0913 - one for each filter
    doors: Doors,
    *,
    workload: Text = None,
    being: State = None,
    event: Text = None,
    before: Text = None,
    limit: Count = 50,
) -> Page[RunView]:
    state = one_of("state", being, RUN_WORDS)
    return await doors.runs.find(Wanted(workload, state, event, before, limit))


@get("/runs/{run_id:str}")
async def run(doors: Doors, run_id: Name) -> RunDetail:
    return await doors.runs.show(run_id)


@get("/runs/{run_id:str}/log")
async def run_log(doors: Doors, run_id: Name, after: Seq = -1) -> LogView:
    return await doors.runs.log(run_id, after)


@post("/runs/{run_id:str}/cancel", status_code=200)
async def cancel(doors: Doors, actor: Actor, run_id: Name) -> RunDetail:
    return await doors.runs.cancel(run_id, actor)


@post("/runs/{run_id:str}/retry", status_code=200)
async def retry(doors: Doors, run_id: Name) -> RunDetail:
    return await doors.runs.retry(run_id)


# --- manifests


@post("/manifest/plan", status_code=200)
async def plan(doors: Doors, data: JSONBody[ManifestRequest]) -> PlanView:
    return await doors.manifests.plan(data)


@post("/manifest/apply", status_code=200)
async def apply(doors: Doors, actor: Actor, data: JSONBody[ManifestRequest]) -> PlanView:
    return await doors.manifests.apply(data, actor)


@get("/manifest/export")
async def export(doors: Doors, name: Text = None) -> ExportView:
    return await doors.manifests.export(name)


# --- trust


@get("/health")
async def health(doors: Doors) -> HealthView:
    return await doors.health.show()


@get("/verify")
async def verify(doors: Doors, trigger: Text = None) -> VerifyView:
    return await doors.verify.verify(trigger)


@get("/doctor")
async def doctor(doors: Doors) -> DoctorView:
    return await doors.doctor.examine()


API = Router(
    "/api/v1",
    route_handlers=[
        *(triggers, trigger, pause, resume, fire, preview, explain, preview_all, simulate),
        *(workloads, workload, deploy, bindings),
        *(events, event, runs, run, run_log, cancel, retry),
        *(plan, apply, export),
        *(health, verify, doctor),
    ],
)
