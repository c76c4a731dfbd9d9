"""Answering on sockets until cancelled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from litestar.types import ASGIApp

from tinyforge.web.connection import Connection
from tinyforge.web.crowd import Crowd
from tinyforge.web.sockets import BACKLOG

IDLE = 60  # seconds between two requests of one connection
GRACE = 1  # second for answers under way at the end


async def serve(app: ASGIApp, sockets: Sequence[socket.socket], crowd: Crowd) -> None:
    """Answer on *sockets* until cancelled; answers under way get a second to end."""
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
    )
    listener = _Listener(config, crowd)
    serving = asyncio.create_task(listener.serve(list(sockets)), name="web")
    try:
        await asyncio.shield(serving)
    finally:
        listener.should_exit = True
        await serving


class _Listener(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, crowd: Crowd) -> None:
        super().__init__(config)
        self.server_state = crowd

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield
