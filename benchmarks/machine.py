"""What disk and cores do: without that no other figure can be read.

Cores that others share have another pace from minute to minute.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, Size, percentile

PAGE = b"\xa5" * 4_096
TIMES = {Size.FULL: 2_000, Size.QUICK: 500, Size.SMALLEST: 20}
WHAT = "fdatasync of 4 KiB"
COUNTED = 1_000_000
COUNTING = f"""
import time
best = 9.0
for _ in range(5):
    began = time.perf_counter()
    for n in range({COUNTED}):
        pass
    best = min(best, time.perf_counter() - began)
print(best)
"""


def measure(folder: Path, size: Size) -> list[Figure]:
    spent = _spent(folder / "disk", TIMES[size])
    syncs = [
        Figure(what=f"{WHAT}, p{percent}", value=percentile(spent, percent), unit="ms")
        for percent in (50, 99)
    ]
    what = f"the interpreter counts to {COUNTED:,}"
    return [
        *syncs,
        Figure(what=f"{what}, alone", value=_counted(1), unit="ms"),
        Figure(
            what=f"{what}, on every core at once", value=_counted(os.cpu_count() or 1), unit="ms"
        ),
    ]


def _counted(processes: int) -> float:
    """Return milliseconds: the best of five, of the slowest process."""
    counting = [
        subprocess.Popen([sys.executable, "-c", COUNTING], stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    return max(float(one.communicate()[0]) for one in counting) * 1e3


def _spent(path: Path, times: int) -> list[float]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    spent = []
    try:
        for _ in range(times):
            began = time.perf_counter_ns()
            os.write(handle, PAGE)
            os.fdatasync(handle)
            spent.append((time.perf_counter_ns() - began) / 1e6)
    finally:
        os.close(handle)
        path.unlink()
    return spent
