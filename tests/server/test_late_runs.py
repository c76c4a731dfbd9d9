"""`--catch-up-rate`: what comes late is decided at once, and begun one after the other."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import datetime

import pytest

from tests.server.place import Place
from tinyforge.clock import MINUTE, SECOND

pytestmark = pytest.mark.slow

LATE, RATE = 10, 3
MANIFEST = """\
workloads:
  prompt: {{kind: command, command: ["true"]}}
{workloads}
triggers:
{triggers}
bindings:
{bindings}
"""


def fleet() -> str:
    numbers = range(LATE)
    workloads = [f'  site{one}: {{kind: command, command: ["true"]}}' for one in numbers]
    triggers = [f"  often{one}: {{kind: schedule, interval: 30m, first: wait}}" for one in numbers]
    bindings = [f"  - {{trigger: often{one}, workload: site{one}}}" for one in numbers]
    return MANIFEST.format(
        workloads="\n".join(workloads),
        triggers="\n".join(triggers),
        bindings="\n".join(bindings),
    )


def let_half_an_hour_pass(place: Place) -> None:
    """Change the rows by hand as if the server had been down since a window ago."""
    last = time.time_ns() // 1000 - 31 * MINUTE
    with closing(sqlite3.connect(place.data / "tinyforge.db")) as file, file:
        file.execute("UPDATE timing SET last_fired_at = ?", (last,))


def micros(moment: str | None) -> int:
    return round(datetime.fromisoformat(moment or "").timestamp() * SECOND)


def test_late_runs_are_staggered_and_nothing_else_is(place: Place) -> None:
    place.write(fleet())
    with place.serving() as server:
        server.stop()
    let_half_an_hour_pass(place)
    with place.serving("--catch-up-rate", str(RATE)) as server:
        assert place.call("deploy", "prompt", "--wait").code == 0
        server.until_said("RunsEnded", LATE + 1)
        late = [place.runs_of(f"site{number}")[0] for number in range(LATE)]
        (decided_at,) = {micros(run.queued_at) for run in late}
        begun = sorted(micros(run.started_at) - decided_at for run in late)
        assert all(wait >= at * SECOND // RATE for at, wait in enumerate(begun))
        assert micros(place.runs_of("prompt")[0].started_at) - decided_at < begun[-1]
        assert len(server.said("SchedulesFired", message="fired")) == LATE
