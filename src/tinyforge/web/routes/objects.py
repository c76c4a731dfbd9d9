"""One trigger, workload or binding, written and removed by itself."""

from __future__ import annotations

from litestar import Response, delete, put
from litestar.params import JSONBody

from tinyforge.operations.objects import Target
from tinyforge.operations.views import BindingDetail, TriggerDetail, WorkloadDetail
from tinyforge.store.port import What
from tinyforge.web.reading import truth_of
from tinyforge.web.routes.parameters import CONFIGURE, Asker, Detach, Doors, IfMatch, RowName
from tinyforge.web.versions import version_of, versioned

Entry = dict[str, object]  # as a manifest has it: its keys are those of the kind
CREATED, OK = 201, 200


@put("/triggers/{name:str}", opt={**CONFIGURE, "body": "Trigger"})
async def put_trigger(  # noqa: PLR0913 - what a change goes by
    doors: Doors,
    caller: Asker,
    name: RowName,
    data: JSONBody[Entry],
    *,
    version: IfMatch = None,
    detach: Detach = None,
) -> Response[TriggerDetail]:
    """Create a trigger, or change all of it. One that is there needs `If-Match`."""
    created = await doors.objects.put(caller, _target("trigger", name, version, detach), data)
    detail = await doors.triggers.show(name, caller)
    return versioned(detail, detail.trigger.revision, CREATED if created else OK)


@put("/workloads/{name:str}", opt={**CONFIGURE, "body": "Workload"})
async def put_workload(  # noqa: PLR0913 - what a change goes by
    doors: Doors,
    caller: Asker,
    name: RowName,
    data: JSONBody[Entry],
    *,
    version: IfMatch = None,
    detach: Detach = None,
) -> Response[WorkloadDetail]:
    """Create a workload, or change all of it. One that is there needs `If-Match`."""
    created = await doors.objects.put(caller, _target("workload", name, version, detach), data)
    detail = await doors.workloads.show(name, caller)
    return versioned(detail, detail.workload.revision, CREATED if created else OK)


@put("/bindings/{name:str}", opt={**CONFIGURE, "body": "Binding"})
async def put_binding(  # noqa: PLR0913 - what a change goes by
    doors: Doors,
    caller: Asker,
    name: RowName,
    data: JSONBody[Entry],
    *,
    version: IfMatch = None,
    detach: Detach = None,
) -> Response[BindingDetail]:
    """Create a binding, or change all of it. One that is there needs `If-Match`."""
    created = await doors.objects.put(caller, _target("binding", name, version, detach), data)
    detail = await doors.objects.binding(caller, name)
    return versioned(detail, detail.binding.revision, CREATED if created else OK)


@delete("/triggers/{name:str}", opt=CONFIGURE)
async def delete_trigger(
    doors: Doors, caller: Asker, name: RowName, version: IfMatch = None, detach: Detach = None
) -> None:
    """Remove a trigger that no binding needs; its history stays. It needs `If-Match`."""
    await doors.objects.delete(caller, _target("trigger", name, version, detach))


@delete("/workloads/{name:str}", opt=CONFIGURE)
async def delete_workload(
    doors: Doors, caller: Asker, name: RowName, version: IfMatch = None, detach: Detach = None
) -> None:
    """Remove a workload that no binding needs; its history stays. It needs `If-Match`."""
    await doors.objects.delete(caller, _target("workload", name, version, detach))


@delete("/bindings/{name:str}", opt=CONFIGURE)
async def delete_binding(
    doors: Doors, caller: Asker, name: RowName, version: IfMatch = None, detach: Detach = None
) -> None:
    """Remove a binding; its history stays. It needs `If-Match`."""
    await doors.objects.delete(caller, _target("binding", name, version, detach))


def _target(what: What, name: str, version: str | None, detach: str | None) -> Target:
    return Target(
        what=what,
        name=name,
        version=version_of(version),
        detach=truth_of("detach", detach) or False,
    )


ROUTES = (
    *(put_trigger, put_workload, put_binding),
    *(delete_trigger, delete_workload, delete_binding),
)
