"""Config as code: what a manifest would change, changing it, and writing one."""

from __future__ import annotations

from litestar import get, post
from litestar.params import JSONBody

from tinyforge.operations.answers import ExportView, PlanView
from tinyforge.operations.views import ManifestRequest
from tinyforge.web.routes.parameters import CONFIGURE, READ, Actor, Doors, Text


@post("/manifest/plan", status_code=200, opt=READ)
async def plan(doors: Doors, data: JSONBody[ManifestRequest]) -> PlanView:
    return await doors.manifests.plan(data)


@post("/manifest/apply", status_code=200, opt=CONFIGURE)
async def apply(doors: Doors, actor: Actor, data: JSONBody[ManifestRequest]) -> PlanView:
    return await doors.manifests.apply(data, actor)


@get("/manifest/export", opt=READ)
async def export(doors: Doors, name: Text = None) -> ExportView:
    return await doors.manifests.export(name)


ROUTES = (plan, apply, export)
