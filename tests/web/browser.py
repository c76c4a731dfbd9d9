"""A Chromium that can be told what to do, and says what it asked for."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import cast

import aiohttp
import pytest

PATIENCE = 15  # seconds
Said = dict[str, object]


@dataclass
class Page:
    socket: aiohttp.ClientWebSocketResponse
    asked: list[str] = field(default_factory=list)  # every address
    complaints: list[str] = field(default_factory=list)  # of the console, and of its policy
    _numbers: count[int] = field(default_factory=lambda: count(1))

    async def open(self, address: str) -> None:
        for name in ("Network.enable", "Log.enable", "Runtime.enable", "Page.enable"):
            await self.tell(name)
        await self.tell("Page.navigate", url=address)

    async def tell(self, method: str, **params: object) -> Said:
        number = next(self._numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        while True:
            said = cast("Said", await self.socket.receive_json(timeout=PATIENCE))
            if said.get("id") == number:
                assert "error" not in said, said
                return cast("Said", said["result"])
            self._note(said)

    async def see(self, expression: str) -> object:
        """Evaluate an expression in the page."""
        result = await self.tell("Runtime.evaluate", expression=expression, awaitPromise=True)
        return cast("Said", result["result"]).get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(PATIENCE):
            while not await self.see(expression):
                await asyncio.sleep(0.05)

    def _note(self, said: Said) -> None:
        params = cast("dict[str, Said]", said.get("params", {}))
        match said.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(str(params["request"]["url"]))
            case "Log.entryAdded":
                self.complaints.append(str(params["entry"]["text"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case _:
                pass


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium")
    process = await asyncio.create_subprocess_exec(
        *(program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"),
        *(f"--user-data-dir={folder}", "--no-first-run", "about:blank"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=PIPE,
    )
    try:
        port = await _port(process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                yield Page(ws)
    finally:
        process.terminate()
        await process.communicate()


async def _port(process: Process) -> int:
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stderr.readline()).decode(errors="replace"):
            if "DevTools listening on ws://" in line:
                return int(line.split(":")[2].split("/")[0])
    raise AssertionError("chromium ended before it listened")
