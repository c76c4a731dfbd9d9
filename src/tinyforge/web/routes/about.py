"""What the API is."""

from __future__ import annotations

import asyncio

from litestar import MediaType, Request, get
from litestar.datastructures import State

from tinyforge.web.openapi.document import described
from tinyforge.web.routes.parameters import READ


@get("/openapi.json", opt=READ, media_type=MediaType.JSON)
async def openapi(request: Request[object, object, State]) -> bytes:
    """Return this description: OpenAPI 3.1."""
    return await asyncio.to_thread(described, request.app)


ROUTES = (openapi,)
