"""The watchdog: whoever keeps the loop for too long is named, and the process ends.

Its supervisor starts it again, and everything else is served at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tinyforge.clock import SECOND, Clock, Micros
from tinyforge.observe.events import BlockedLoop, Observe

PATIENCE: Micros = 10 * SECOND
BEAT = 0.5  # seconds of real time, whatever clock a test brings
EXIT_CODE = 70  # EX_SOFTWARE


@dataclass
class Watch:
    """`doing` is said before other people's code runs in the loop; `beat` while it turns."""

    clock: Clock
    observe: Observe
    patience: Micros = PATIENCE
    doing: str = "our own code"
    _beat: Micros = 0
    _done: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Show that the loop turns, until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT)

    def beat(self) -> None:
        self._beat = self.clock.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch the calling thread until the block ends."""
        self.beat()
        watched = threading.get_ident()
        thread = threading.Thread(
            target=self._run, args=(watched,), name="tinyforge-watch", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            self._done.set()

    def _run(self, watched: int) -> None:
        looked, worked = self.clock.monotonic(), _work_done()
        while not self._done.wait(self.patience / SECOND / 10):
            before, looked = looked, self.clock.monotonic()
            idle, worked = _work_done() - worked < (looked - before) / 2, _work_done()
            if looked - before > self.patience / 2 and idle:
                self.beat()  # the whole process stood still, and not the loop alone
            silent = self.clock.monotonic() - self._beat
            if silent > self.patience:
                self._end(watched, silent)

    def _end(self, watched: int, silent: Micros) -> None:
        frame = sys._current_frames().get(watched)  # noqa: SLF001 - the only way to a thread's stack
        stack = "".join(traceback.format_stack(frame)) if frame else ""
        self.observe(BlockedLoop(doing=self.doing, seconds=silent / SECOND, stack=stack))
        sys.stderr.flush()
        os._exit(EXIT_CODE)


def _work_done() -> Micros:
    """Return how long this process has had a processor."""
    used = os.times()
    return int((used.user + used.system) * SECOND)
