"""Workloads and the bindings that lead to them."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import JSONBody

from tinyforge.operations.lists import Wanted
from tinyforge.operations.views import (
    BindingDetail,
    BindingView,
    DeployRequest,
    FireView,
    Page,
    WorkloadDetail,
    WorkloadView,
)
from tinyforge.web.reading import length_of, truth_of
from tinyforge.web.routes.parameters import (
    DEPLOY,
    READ,
    After,
    Asker,
    Count,
    Doors,
    Enabled,
    IdempotencyKey,
    Kind,
    OfTrigger,
    OfWorkload,
    RowName,
    Wait,
)
from tinyforge.web.versions import versioned


@get("/workloads", opt=READ)
async def workloads(
    doors: Doors, caller: Asker, kind: Kind = None, after: After = None, limit: Count = 50
) -> Page[WorkloadView]:
    """List workloads by name."""
    return await doors.lists.workloads(caller, Wanted(kind=kind, after=after, limit=limit))


@get("/workloads/{name:str}", opt=READ)
async def workload(doors: Doors, caller: Asker, name: RowName) -> Response[WorkloadDetail]:
    """Return one workload with its bindings, its versions and its latest runs."""
    detail = await doors.workloads.show(name, caller)
    return versioned(detail, detail.workload.revision)


@post("/workloads/{name:str}/deploy", status_code=200, opt=DEPLOY)
async def deploy(  # noqa: PLR0913 - what may be asked of a fire
    doors: Doors,
    caller: Asker,
    name: RowName,
    data: JSONBody[DeployRequest],
    *,
    key: IdempotencyKey = None,
    wait: Wait = None,
) -> FireView:
    """Deploy a workload now."""
    patience = length_of("wait", wait)
    fired = await doors.firing.deploy(name, caller, dry_run=data.dry_run, key=key)
    if patience is None:
        return fired
    return await doors.watching.waiting.until_over(fired, patience)


@get("/bindings", opt=READ)
async def bindings(  # noqa: PLR0913 - one for each filter
    doors: Doors,
    caller: Asker,
    *,
    trigger: OfTrigger = None,
    workload: OfWorkload = None,
    enabled: Enabled = None,
    after: After = None,
    limit: Count = 50,
) -> Page[BindingView]:
    """List bindings by name."""
    wanted = Wanted(
        trigger=trigger,
        workload=workload,
        enabled=truth_of("enabled", enabled),
        after=after,
        limit=limit,
    )
    return await doors.lists.bindings(caller, wanted)


@get("/bindings/{name:str}", opt=READ)
async def binding(doors: Doors, caller: Asker, name: RowName) -> Response[BindingDetail]:
    """Return one binding with its versions."""
    detail = await doors.objects.binding(caller, name)
    return versioned(detail, detail.binding.revision)


ROUTES = (workloads, workload, deploy, bindings, binding)
