"""Named crash points: `TINYFORGE_CRASH_AT=accepted:3` is a kill -9 at the third time.

They are the happenings of the engine, so the engine knows nothing of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from tinyforge.observe import events
from tinyforge.observe.events import Happening

POINTS: Mapping[str, type[Happening]] = {
    "noticed": events.TickBegan,  # nothing of this sweep is stored
    "recorded": events.SchedulesFired,  # windows are events, and where no rule stands runs too
    "accepted": events.EventsAccepted,  # stored, not fanned out
    "fanned-out": events.EventsFannedOut,  # results and runs are stored, nothing is leased
    "leased": events.RunsStarted,  # under lease, not begun
    "deployed": events.DeploysDone,  # effects are complete, their outcomes not stored
    "ended": events.RunsEnded,  # outcomes are stored
}


@dataclass
class CrashAt:
    """Listens, and ends the process when its point has come for the last time it may."""

    point: type[Happening]
    times: int

    @classmethod
    def read(cls, text: str) -> CrashAt:
        """Read `POINT` or `POINT:TIMES`; ValueError names the points."""
        name, _, times = text.partition(":")
        if name not in POINTS or not (times or "1").isdigit():
            raise ValueError(
                f"{text!r} is no crash point; write one of {', '.join(POINTS)}[:TIMES]"
            )
        return cls(POINTS[name], int(times or "1"))

    def __call__(self, happening: Happening) -> None:
        if isinstance(happening, self.point):
            self.times -= 1
            if self.times <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
