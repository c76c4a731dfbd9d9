"""Workloads and the bindings that lead to them."""

from __future__ import annotations

from litestar import get, post
from litestar.params import JSONBody

from tinyforge.operations.views import (
    BindingView,
    DeployRequest,
    FireView,
    Page,
    WorkloadDetail,
    WorkloadView,
)
from tinyforge.web.routes.parameters import DEPLOY, READ, Actor, Doors, Name


@get("/workloads", opt=READ)
async def workloads(doors: Doors) -> Page[WorkloadView]:
    return await doors.workloads.find()


@get("/workloads/{name:str}", opt=READ)
async def workload(doors: Doors, name: Name) -> WorkloadDetail:
    return await doors.workloads.show(name)


@post("/workloads/{name:str}/deploy", status_code=200, opt=DEPLOY)
async def deploy(doors: Doors, actor: Actor, name: Name, data: JSONBody[DeployRequest]) -> FireView:
    return await doors.firing.deploy(name, actor, dry_run=data.dry_run)


@get("/bindings", opt=READ)
async def bindings(doors: Doors) -> Page[BindingView]:
    return await doors.workloads.bindings()


ROUTES = (workloads, workload, deploy, bindings)
