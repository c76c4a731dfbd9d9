"""What is measured, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import quantiles

from msgspec import Struct, field


class Size(StrEnum):
    FULL = "full"
    QUICK = "quick"  # minutes in all, for a first look
    SMALLEST = "smallest"  # says only that everything still works


class Baseline(Struct, frozen=True, kw_only=True):
    """The same work done another way, measured in the same run."""

    name: str
    value: float


class Figure(Struct, frozen=True, kw_only=True):
    """One line of the table. *details* go into the JSON only; times there are in microseconds."""

    what: str
    value: float
    unit: str
    more_is_better: bool = False
    must: float | None = None
    aim: float | None = None
    must_ratio: float | None = None  # the must where the disk is slow
    disk_counts: bool = True  # False: the must holds on any disk
    baselines: Sequence[Baseline] = ()
    details: Mapping[str, float] = field(default_factory=dict)

    def ratio(self, baseline: Baseline) -> float | None:
        """Return how many times better than *baseline*; None where there is nothing to divide."""
        ours, theirs = self.value, baseline.value
        better, worse = (ours, theirs) if self.more_is_better else (theirs, ours)
        return better / worse if worse else None


class Measured(Struct, frozen=True, kw_only=True):
    """One subject's figures. *load*: the machine's load average before and after."""

    subject: str
    seconds: float
    load: tuple[float, float]
    figures: Sequence[Figure]


def percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]
