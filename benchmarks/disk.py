"""What the disk does: without it no other figure can be read."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.figures import Figure, Size, percentile

PAGE = b"\xa5" * 4_096
TIMES = {Size.FULL: 2_000, Size.QUICK: 500, Size.SMALLEST: 20}
WHAT = "fdatasync of 4 KiB"


def measure(folder: Path, size: Size) -> list[Figure]:
    spent = _spent(folder / "disk", TIMES[size])
    return [
        Figure(what=f"{WHAT}, p{percent}", value=percentile(spent, percent), unit="ms")
        for percent in (50, 99)
    ]


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
