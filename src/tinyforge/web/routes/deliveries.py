"""What came to endpoints, newest first, and what became of it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from tinyforge.operations.delivered import DeliveryDetail, DeliveryView, ReplayRequest
from tinyforge.operations.deliveries import TAKEN
from tinyforge.operations.views import FireView, Page
from tinyforge.web.reading import one_of
from tinyforge.web.routes.parameters import DEPLOY, READ, Asker, Before, Count, Doors, OfTrigger

DeliveryId: TypeAlias = Annotated[str, PathParameter(description="`dlv_` and 13 characters")]
Taken: TypeAlias = Annotated[
    str | None, QueryParameter(enum=TAKEN, description="only what was taken as this")
]


@get("/deliveries", opt=READ)
async def deliveries(  # noqa: PLR0913 - one for each filter
    doors: Doors,
    caller: Asker,
    *,
    trigger: OfTrigger = None,
    taken: Taken = None,
    before: Before = None,
    limit: Count = 50,
) -> Page[DeliveryView]:
    """List deliveries of webhooks, newest first."""
    wanted = one_of("taken", taken, TAKEN)
    return await doors.deliveries.find(caller, trigger, wanted, before, limit)


@get("/deliveries/{delivery_id:str}", opt=READ)
async def delivery(doors: Doors, caller: Asker, delivery_id: DeliveryId) -> DeliveryDetail:
    """Return one delivery: headers, body, proof, and what was decided of it."""
    return await doors.deliveries.show(delivery_id, caller)


@get("/deliveries/{delivery_id:str}/body", opt=READ, media_type="application/octet-stream")
async def body(doors: Doors, caller: Asker, delivery_id: DeliveryId) -> Response[bytes]:
    """Return the body of a delivery, byte for byte as it came."""
    found = await doors.deliveries.body(delivery_id, caller)
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Response(found, media_type="application/octet-stream", headers=headers)


@post("/deliveries/{delivery_id:str}/replay", status_code=200, opt=DEPLOY)
async def replay(
    doors: Doors, caller: Asker, delivery_id: DeliveryId, data: JSONBody[ReplayRequest]
) -> FireView:
    """Make a new event of a delivery, as its trigger reads it today."""
    if data.dry_run:
        return await doors.deliveries.rehearse(delivery_id, caller)
    return await doors.deliveries.replay(delivery_id, caller)


ROUTES = (deliveries, delivery, body, replay)
