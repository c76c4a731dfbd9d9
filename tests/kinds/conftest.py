from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop_runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Run a coroutine under each of the two event loops."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for something to become true; fail when it does not."""

    async def until(happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not happened():
                await asyncio.sleep(0.005)

    return until


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """No open file may outlive a test."""
    before = open_files()
    yield
    assert open_files() <= before + 4, "files were left open"
