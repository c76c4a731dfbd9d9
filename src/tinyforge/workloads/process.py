"""A program in a process group of its own, which is always ended as a whole and buried.

Its end is noticed through a pidfd, which works under every event loop; uvloop cannot change users.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from tinyforge.workloads.living import is_alive
from tinyforge.workloads.output import Lines

DRAIN = 0.5  # seconds for the last output after the program has ended
POLL = 0.02
BURIAL = 5.0  # seconds that a process may take to die of SIGKILL
CHUNK = 64 * 1024


async def follow(
    process: subprocess.Popen[bytes], lines: Lines, write: Callable[[str], None], grace: float
) -> int:
    """Return the exit code once nothing of the group is left; when cancelled, end it first.

    A cancellation that comes after the program has ended changes nothing.
    A second cancellation ends the *grace* (seconds between SIGTERM and SIGKILL).
    """
    group = _Group(process)
    output = _Output(process, lines, write)
    try:
        await output.ended_or_failed(group.leader)
        await output.finish(DRAIN)
        if group.bury() and group.lives():
            write("the program has ended; ending what it left running in the background")
    except asyncio.CancelledError:
        if not group.bury():
            raise  # else it had ended by itself: what it did counts
    finally:
        try:
            if await group.end(grace):
                await output.finish(DRAIN)
        finally:
            output.close()
            group.close()
    if group.lives():
        write("some of its processes cannot be ended and still run")
    if not output.has_ended:
        write("a process outside of its group holds the output, which is no longer read")
    return process.returncode


async def end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group at once, without hearing it out."""
    group = _Group(process)
    try:
        await group.end(grace=0)
    finally:
        group.close()
        _pipe(process).close()


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdout is None:
        raise ValueError("the program was started without a pipe")
    return process.stdout


class _Group:
    """A group that has members keeps its number; without any it is never signalled."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._number = process.pid
        try:
            self._pidfd = os.pidfd_open(process.pid)
        except OSError:  # out of files: what cannot be watched must not run
            os.killpg(process.pid, signal.SIGKILL)
            raise
        self.leader = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._leader_ended)

    def _leader_ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self.leader.set_result(None)

    def bury(self) -> bool:
        return self._process.poll() is not None

    def lives(self) -> bool:
        return self._process.returncode is None or is_alive(self._number)

    async def end(self, grace: float) -> bool:
        """Say whether there was anything to end."""
        if self.bury() and not self.lives():
            return False
        try:
            self._tell(signal.SIGTERM)
            self._tell(signal.SIGCONT)  # a stopped process could not obey
            await self._wait_until_gone(grace)
        finally:
            if self.lives():
                self._tell(signal.SIGKILL)
                await self._wait_until_gone(BURIAL)
        return True

    async def _wait_until_gone(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.wait([self.leader])
                self.bury()
                # nothing tells when the last member of a group is gone
                while self.lives():  # noqa: ASYNC110
                    await asyncio.sleep(POLL)

    def _tell(self, what: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._number, what)

    def close(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)


class _Output:
    """Reads one chunk for each turn of the loop: a flood waits in the pipe, not in memory."""

    def __init__(
        self, process: subprocess.Popen[bytes], lines: Lines, write: Callable[[str], None]
    ) -> None:
        self._pipe = _pipe(process)
        self._lines = lines
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(self._pipe.fileno(), False)
        self._loop.add_reader(self._pipe.fileno(), self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._pipe.fileno(), CHUNK)
            for line in self._lines.feed(chunk) if chunk else self._lines.end():
                self._write(line)
        except BlockingIOError:
            return
        except Exception as problem:  # noqa: BLE001 - whatever the log raises belongs to the deploy
            self._stop(problem)
        else:
            if not chunk:
                self._stop(None)

    def _stop(self, problem: Exception | None) -> None:
        self._loop.remove_reader(self._pipe.fileno())
        if problem is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(problem)

    @property
    def has_ended(self) -> bool:
        return self._ended.done()

    async def ended_or_failed(self, leader: asyncio.Future[None]) -> None:
        """Return when *leader* is done; raise at once what the log raised."""
        await asyncio.wait([leader, self._ended], return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            self._ended.result()
            await asyncio.wait([leader])

    async def finish(self, seconds: float) -> None:
        """Wait for the last output, which somebody outside the group may hold open for ever."""
        await asyncio.wait([self._ended], timeout=seconds)

    def close(self) -> None:
        if not self._ended.done():
            self._loop.remove_reader(self._pipe.fileno())
            for line in self._lines.end():
                self._write(line)
        self._pipe.close()
