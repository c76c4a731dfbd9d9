"""`python -m benchmarks.replica URL FOLDER`: one replica in a process of its own.

It says `ready`, sweeps from the first line of its input to the second one, and says after each
commit how many windows it has fired. Its last line is what it cost, as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from benchmarks import postgres, production
from benchmarks.cpu import Cpu
from tinyforge.observe.events import EventsFannedOut, Happening
from tinyforge.settings import Settings

READY = "ready"


def main() -> None:
    url, folder = sys.argv[1:]
    production.run(_serve(url, Settings(data=Path(folder))))


async def _serve(url: str, settings: Settings) -> None:
    fired = 0

    def tell(happening: Happening) -> None:
        nonlocal fired
        if isinstance(happening, EventsFannedOut):
            fired += happening.events
            _say(str(fired))

    async with postgres.opened(url, settings, tell) as engine:
        _say(READY)
        await _told()
        cpu, sweeping = Cpu(), asyncio.create_task(engine.ticker.run())
        await _told()
        engine.ticker.close()
        await sweeping
        _say(msgspec.json.encode(cpu.each(1)).decode())


async def _told() -> None:
    await asyncio.to_thread(sys.stdin.readline)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
