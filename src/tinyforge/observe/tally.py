"""Counts what happens, in plain numbers; `metrics` shows them to Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from tinyforge.clock import Micros, Moment
from tinyforge.model import RunState
from tinyforge.observe.events import (
    CallRefused,
    Committed,
    ConnectionTurnedAway,
    DeliveriesReceived,
    DeliveryRefused,
    DeliveryTurnedAway,
    EventsFannedOut,
    Happening,
    ManifestApplied,
    ManifestRefused,
    RunsEnded,
    RunsRecovered,
    RunsStarted,
    SchedulesFired,
    WindowsSkipped,
)

MILLISECOND = 1_000
MOST_NAMES = 1_000  # triggers with a series of their own; the others share one
OTHER = "other"
UNCOUNTED = 101  # windows of which only "more than 100" is known


class Spread:
    """A histogram of lengths of time, filled by the batch."""

    def __init__(self, *bounds_ms: float) -> None:
        self.bounds: Sequence[Micros] = [round(bound * MILLISECOND) for bound in bounds_ms]
        self.counts = [0] * (len(bounds_ms) + 1)  # of each bucket alone, the last without a bound
        self.total: Micros = 0

    def add(self, lengths: Iterable[Micros]) -> None:
        bounds, counts, total = self.bounds, self.counts, 0
        for length in lengths:
            counts[bisect_left(bounds, length)] += 1
            total += length
        self.total += total


def _run_times() -> Spread:
    return Spread(10, 50, 100, 500, 1e3, 5e3, 15e3, 60e3, 300e3, 900e3, 3_600e3)


class Counts(Protocol):
    """What only the store knows, as it was when the janitor last looked."""

    @property
    def triggers(self) -> Mapping[str, int]: ...  # by kind
    @property
    def broken(self) -> Mapping[str, int]: ...  # by what
    @property
    def paused(self) -> int: ...
    @property
    def runs(self) -> Mapping[str, int]: ...  # queued and running
    @property
    def oldest_undecided(self) -> Moment | None: ...
    @property
    def open_events(self) -> int: ...
    @property
    def unplanned(self) -> int: ...
    @property
    def unplaced(self) -> int: ...
    @property
    def oldest_ready(self) -> Moment | None: ...


class Seen(Struct, frozen=True, kw_only=True):
    """Who serves, and how the database is that they share, as the janitor last saw it."""

    servers: Mapping[str, int]  # that live, by version
    number: int  # ours
    labels: str
    clock_off: Micros | None
    oldest_transaction: Micros | None
    live_rows: Mapping[str, int]  # by table
    dead_rows: Mapping[str, int]


def _age(oldest: Moment | None, now: Moment) -> Micros:
    return 0 if oldest is None else max(0, now - oldest)


class Tally:
    """Listens, and adds up. *names*: fires are counted by the trigger's name too."""

    def __init__(self, *, names: bool = False) -> None:
        self.happened: Counter[type[Happening]] = Counter()
        self.windows: Counter[tuple[str, str]] = Counter()  # decision and reason
        self.catch_ups = 0
        self.lateness = Spread(
            1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1e3, 5e3, 30e3, 300e3, 3_600e3, 86_400e3
        )
        self.fires_by_name: Counter[str] | None = Counter() if names else None
        self.events = 0
        self.dispatched = 0
        self.results: Counter[str] = Counter()
        self.started = 0
        self.ended: Counter[tuple[str, str]] = Counter()  # kind and state
        self.run_times: dict[str, Spread] = {}
        self.recovered: Counter[str] = Counter()
        self.commits = Spread(0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1e3, 5e3)
        self.operations = 0
        self.turned_away: Counter[str] = Counter()  # deliveries at the door, by why
        self.unproved: Counter[str] = Counter()  # calls, by reason
        self.closed: Counter[str] = Counter()  # connections, by why
        self.deliveries: Counter[tuple[str, str]] = Counter()  # kind, and what they were taken as
        self.refused: Counter[tuple[str, str]] = Counter()  # kind and why
        self.mistakes = 0
        self.counts: Counts | None = None
        self.oldest_undecided: Micros = 0
        self.oldest_ready: Micros = 0
        self.seen: Seen | None = None

    def set_counts(self, counts: Counts, now: Moment) -> None:
        """Take what the janitor counted at *now*."""
        self.counts = counts
        self.oldest_undecided = _age(counts.oldest_undecided, now)
        self.oldest_ready = _age(counts.oldest_ready, now)

    def __call__(self, happening: Happening) -> None:
        self.happened[type(happening)] += 1
        match happening:
            case Committed():
                self.commits.add((happening.took,))
                self.operations += happening.operations
            case SchedulesFired():
                self._fired(happening)
            case EventsFannedOut():
                self.events += happening.events
                self.dispatched += happening.scheduled
                self.results["matched"] += happening.runs
                self.results.update(str(refused.outcome) for refused in happening.refused)
            case RunsStarted():
                self.started += len(happening.runs)
            case RunsEnded():
                self._ended(happening)
            case _:
                self._seldom(happening)

    def _seldom(self, happening: Happening) -> None:
        match happening:
            case WindowsSkipped():
                count = UNCOUNTED if happening.count is None else happening.count
                self.windows["skipped", happening.reason] += count
            case DeliveriesReceived():
                self.deliveries[happening.kind, happening.taken] += happening.count
            case DeliveryRefused():
                self.refused[happening.kind, happening.why] += 1
            case RunsRecovered():
                self.recovered["requeued"] += len(happening.requeued)
                self.recovered["interrupted"] += len(happening.interrupted)
            case DeliveryTurnedAway():
                self.turned_away[happening.why] += 1
            case CallRefused():
                self.unproved[happening.reason] += 1
            case ConnectionTurnedAway():
                self.closed[happening.why] += 1
            case ManifestApplied():
                self.mistakes = 0
            case ManifestRefused():
                self.mistakes = len(happening.mistakes)

    def _fired(self, happening: SchedulesFired) -> None:
        fired = happening.fired
        self.windows["fired", ""] += len(fired)
        self.windows["folded", ""] += sum(
            UNCOUNTED if one.folded is None else one.folded for one in fired
        )
        self.catch_ups += sum(one.overdue is not None for one in fired)
        self.lateness.add(one.late_by for one in fired)
        if self.fires_by_name is not None:
            by_name = self.fires_by_name
            for one in fired:
                known = one.trigger in by_name or len(by_name) < MOST_NAMES
                by_name[one.trigger if known else OTHER] += 1

    def _ended(self, happening: RunsEnded) -> None:
        times: dict[tuple[str, RunState], list[Micros]] = defaultdict(list)
        for run in happening.runs:
            times[run.kind, run.state].append(run.took)
        for (kind, state), lengths in times.items():
            self.ended[kind, state.word] += len(lengths)
            spread = self.run_times.get(kind)
            if spread is None:
                spread = self.run_times[kind] = _run_times()
            spread.add(lengths)
