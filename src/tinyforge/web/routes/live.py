"""What changes, as it changes."""

from __future__ import annotations

from litestar import get
from litestar.response import Stream

from tinyforge.web.routes.parameters import READ, Asker, Doors, LastEventId
from tinyforge.web.streams import STREAMS, live_stream


@get("/stream", opt={**READ, **STREAMS})
async def stream(doors: Doors, caller: Asker, last_id: LastEventId = None) -> Stream:
    """Send what changes as server-sent events: `event`, `run`, `trigger`, `config`.

    `ready` says where it begins, `reset` that something is missing before it. What another
    replica does is told as well. Events come without their facts.
    """
    live = doors.watching.live
    return live_stream(live, await live.open(caller, last_id))


ROUTES = (stream,)
