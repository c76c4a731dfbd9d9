"""The key that seals secrets."""

from __future__ import annotations

from litestar import post

from tinyforge.operations.answers import KeyView
from tinyforge.web.routes.parameters import CONFIGURE, Asker, Doors


@post("/key/rotate", status_code=200, opt=CONFIGURE)
async def rotate(doors: Doors, caller: Asker) -> KeyView:
    """Seal everything with a new key; one that was begun is brought to its end."""
    return await doors.keys.rotate(caller)


ROUTES = (rotate,)
