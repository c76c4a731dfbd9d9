"""A manifest of many triggers, inside the server: from its text to rows that are stored."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

from benchmarks import production, row_by_row
from benchmarks.figures import Baseline, Figure, Size
from tinyforge.operations.callers import ITSELF
from tinyforge.operations.door import Operations
from tinyforge.operations.views import ManifestRequest
from tinyforge.settings import Settings

WORKLOADS = 100


@dataclass(frozen=True, kw_only=True)
class Extent:
    triggers: int
    times: int


EXTENTS = {
    Size.FULL: Extent(triggers=10_000, times=5),
    Size.QUICK: Extent(triggers=10_000, times=1),
    Size.SMALLEST: Extent(triggers=20, times=1),
}


def measure(folder: Path, size: Size) -> list[Figure]:
    extent = EXTENTS[size]
    text = _text(extent.triggers)
    all_ = [production.run(_applied(folder / "manifest", text)) for _ in range(extent.times)]
    what = f"manifest of {extent.triggers:,} triggers and bindings"
    plain = Baseline(name="row by row", value=_row_by_row(folder, text))
    first, again, plan = (list(one) for one in zip(*all_, strict=True))
    return [
        Figure(
            what=f"apply a {what}",
            value=median(first),
            unit="s",
            must=2,
            aim=0.5,
            baselines=[plain],
            details={f"run_{n}": one for n, one in enumerate(first, start=1)},
        ),
        Figure(what="apply it again, unchanged", value=median(again), unit="s"),
        Figure(what="plan it, unchanged", value=median(plan), unit="s"),
    ]


def _text(triggers: int) -> str:
    """Half the schedules by interval, half by cron, hardly two of them alike."""
    lines = ["version: 1", "workloads:"]
    lines += [
        f"  work-{n}: {{kind: command, command: [/bin/true, '{n}'], timeout: 5m}}"
        for n in range(WORKLOADS)
    ]
    lines.append("triggers:")
    for n in range(triggers):
        timing = f"interval: {600 + n}s" if n % 2 else f'cron: "{n % 60} {n // 60 % 24} * * *"'
        lines.append(f"  trigger-{n}: {{kind: schedule, {timing}, first: wait}}")
    lines.append("bindings:")
    lines += [
        f"  - {{trigger: trigger-{n}, workload: work-{n % WORKLOADS}}}" for n in range(triggers)
    ]
    return "\n".join(lines) + "\n"


async def _applied(folder: Path, text: str) -> tuple[float, float, float]:
    """Return seconds for the apply, for the same once more, and for its plan."""
    request = ManifestRequest(source="benchmark.yaml", text=text)
    settings = Settings(data=folder)
    try:
        async with production.opened(folder, settings) as engine:
            operations = production.operations(engine, settings)
            return (
                await _apply(operations, request),
                await _apply(operations, request),
                await _plan(operations, request),
            )
    finally:
        shutil.rmtree(folder)


async def _apply(operations: Operations, request: ManifestRequest) -> float:
    began = time.perf_counter()
    await operations.manifests.apply(request, ITSELF)
    return time.perf_counter() - began


async def _plan(operations: Operations, request: ManifestRequest) -> float:
    began = time.perf_counter()
    await operations.manifests.plan(request, ITSELF)
    return time.perf_counter() - began


def _row_by_row(folder: Path, text: str) -> float:
    """Return seconds to read the text with PyYAML and to insert each row in its own commit."""
    path = folder / "row-by-row.db"
    row_by_row.write_file(path, (), interval=600, bindings=1, history=0)
    db = row_by_row.open_file(path)
    began = time.perf_counter()
    row_by_row.apply(db, yaml.load(text, yaml.CSafeLoader))
    took = time.perf_counter() - began
    db.close()
    path.unlink()
    return took
