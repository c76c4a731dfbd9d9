"""A server of its own process, with kinds of somebody else: python -m tests.engine.serve DATA."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from tests.engine.house import kinds
from tinyforge.clock import SECOND
from tinyforge.observe.events import Happening, TickBegan
from tinyforge.server.running import Server
from tinyforge.settings import Listen, Settings

PATIENCE = 2 * SECOND  # several beats of the watch


async def serve(folder: Path) -> None:
    settings = Settings(data=folder, listen=Listen("127.0.0.1", 0), concurrency=8, grace=SECOND)

    def say(happening: Happening) -> None:
        if isinstance(happening, TickBegan):
            server.engine.watch.patience = PATIENCE
        sys.stdout.write(f"{happening!r}\n")
        sys.stdout.flush()

    server = Server(settings=settings, plugins=kinds(), listening=[say])
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    try:
        await server.start()
        failed = asyncio.create_task(server.wait())
        waiting = asyncio.create_task(ending.wait())
        await asyncio.wait([failed, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
