"""CPU time by thread: steadier than a clock on a machine that others use as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

THREADS = {"MainThread": "loop", "tinyforge-writer": "writer", "log": "log"}


def _now() -> dict[str, float]:
    found = {"process": time.process_time()}
    for thread in threading.enumerate():
        name = THREADS.get(thread.name)
        if name is not None and thread.ident is not None:
            found[name] = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return found


@dataclass(frozen=True)
class Cpu:
    """Begins to count when it is made."""

    began: Mapping[str, float] = field(default_factory=_now)

    def each(self, count: int) -> dict[str, float]:
        """Return microseconds of CPU for each of *count* things done since."""
        return {
            f"cpu_{name}_us": (seconds - self.began.get(name, 0.0)) / max(count, 1) * 1e6
            for name, seconds in _now().items()
        }
