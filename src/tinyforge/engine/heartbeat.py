"""A URL that is called after every sweep that could record: when the calls stop, somebody knows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tinyforge.errors import TinyforgeError
from tinyforge.observe.events import Happening, HeartbeatFailed, Observe, Recorded
from tinyforge.outbound import Request, outbound

PATIENCE = 10.0  # seconds


@dataclass
class Heartbeat:
    url: str
    observe: Observe
    _due: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, happening: Happening) -> None:
        if isinstance(happening, Recorded):
            self._due.set()

    async def run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await self.beat()

    async def beat(self) -> None:
        """Call the URL once; a failure is said, and never more than that."""
        try:
            client = await outbound()
            response = await client.send(Request(method="GET", url=self.url, timeout=PATIENCE))
        except TinyforgeError as problem:
            self.observe(HeartbeatFailed(problem=str(problem)))
            return
        if response.status // 100 != 2:  # noqa: PLR2004 - HTTP's successes; redirects are not followed
            self.observe(HeartbeatFailed(problem=f"answered {response.status}"))
