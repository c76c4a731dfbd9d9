"""Config as code: what a manifest would change, changing it, and writing one."""

from __future__ import annotations

from litestar import get, post
from litestar.params import JSONBody

from tinyforge.operations.answers import ExportView, PlanView
from tinyforge.operations.views import ManifestRequest
from tinyforge.web.reading import truth_of
from tinyforge.web.routes.parameters import CONFIGURE, READ, Asker, Doors, Text, WithEndpoints


@post("/manifest/plan", status_code=200, opt=READ)
async def plan(doors: Doors, caller: Asker, data: JSONBody[ManifestRequest]) -> PlanView:
    """Say what a manifest would change, and what would fire at once."""
    return await doors.manifests.plan(data, caller)


@post("/manifest/apply", status_code=200, opt=CONFIGURE)
async def apply(doors: Doors, caller: Asker, data: JSONBody[ManifestRequest]) -> PlanView:
    """Change all that a manifest asks for, or nothing."""
    return await doors.manifests.apply(data, caller)


@get("/manifest/export", opt=READ)
async def export(
    doors: Doors, caller: Asker, name: Text = None, endpoints: WithEndpoints = None
) -> ExportView:
    """Return a manifest of everything, or of what the manifest *name* owns."""
    asked = truth_of("endpoints", endpoints) is True
    return await doors.manifests.export(caller, name, endpoints=asked)


ROUTES = (plan, apply, export)
