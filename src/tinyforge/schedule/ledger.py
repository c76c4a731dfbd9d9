"""Prove that what is stored of a schedule is what its specs say: every window, decided once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from heapq import merge
from itertools import islice, zip_longest
from typing import TypeAlias, assert_never

from msgspec import Struct

from tinyforge.clock import Moment, rfc3339
from tinyforge.schedule.decision import EpochReason, State
from tinyforge.schedule.spec import (
    ALWAYS,
    LONGEST_TICK,
    SHORTEST_TICK,
    At,
    Cron,
    Spec,
    Stretch,
)
from tinyforge.schedule.windows import COUNTED, Windows

MOST_FAULTS = 100
EDITS = (EpochReason.EDITED, EpochReason.CLOSED, EpochReason.REPAIRED)


class Epoch(Struct, frozen=True, kw_only=True, gc=False):
    """How an epoch began. *before_until*: up to where the one before it was decided."""

    epoch: int
    spec: Spec | None  # None: it has no windows
    since: Moment
    base: Moment
    opening: Moment | None
    decided_from: Moment
    why: EpochReason
    before_until: Moment | None = None  # None: there is none before, or nobody wrote it down
    zone_data_changed: bool = False  # since its windows were decided

    @property
    def is_free(self) -> bool:
        return self.spec is not None and self.spec.timetable.is_free

    @property
    def windows(self) -> Windows | None:
        if self.spec is None:
            return None
        return Windows(self.spec.timetable, self.since, self.base, self.opening)

    @property
    def begins_after(self) -> Moment:
        """Return after which its windows lie: creation also decides an `at` that has passed."""
        timed = self.spec is not None and isinstance(self.spec.timetable.timing, At)
        return ALWAYS.after if timed and self.decided_from < self.since else self.decided_from


class Fired(Struct, frozen=True, kw_only=True, gc=False):
    """One event. *folded* None: more than COUNTED."""

    epoch: int
    window: Moment
    last_fired_at: Moment | None  # as stored with this fire
    folded: int | None = 0
    folded_from: Moment | None = None
    fired_at: Moment | None = None  # when it was decided; None: nobody asks

    @property
    def oldest(self) -> Moment:
        return self.window if self.folded_from is None else self.folded_from

    @property
    def newest(self) -> Moment:
        return self.window

    @property
    def counted(self) -> Stretch | None:
        """Return where the windows lie that *folded* counts."""
        return None if self.folded_from is None else Stretch(self.folded_from - 1, self.window - 1)

    @property
    def count(self) -> int | None:
        return self.folded

    def __str__(self) -> str:
        return f"the fire of {rfc3339(self.window)}"


class SkippedSpan(Struct, frozen=True, kw_only=True, gc=False):
    """One span row. *count* None: more than COUNTED."""

    epoch: int
    oldest: Moment
    newest: Moment
    count: int | None
    reason: str

    @property
    def counted(self) -> Stretch | None:
        return Stretch(self.oldest - 1, self.newest)

    def __str__(self) -> str:
        return f"the span skipped({self.reason}) from {rfc3339(self.oldest)}"


Decided: TypeAlias = Fired | SkippedSpan


class History(Struct, frozen=True, kw_only=True):
    """What is stored of one trigger. Each list is in the order of (epoch, oldest window)."""

    epochs: Sequence[Epoch]
    fired: Iterable[Fired]
    skipped: Iterable[SkippedSpan]
    state: State
    proved_from: Moment | None = None  # decisions of windows up to here are not kept


class FaultKind(StrEnum):
    HOLE = "hole"  # a window without a decision
    DOUBLE = "double"  # a window with two
    NO_WINDOW = "no_window"  # a decision about what never was a window
    WRONG_COUNT = "wrong_count"
    WRONG_LAST_FIRED = "wrong_last_fired"
    WRONG_EPOCH = "wrong_epoch"
    ZONE_DATA = "zone_data"  # a difference that other zone data explain


class Fault(Struct, frozen=True, kw_only=True):
    kind: FaultKind
    epoch: int
    at: Moment
    text: str


def faults(history: History) -> list[Fault]:
    """Return what is wrong, the first MOST_FAULTS of it. Reads the decisions once, as a stream."""
    return list(islice(_faults(history), MOST_FAULTS))


def _faults(history: History) -> Iterator[Fault]:
    decisions = _Stream(merge(history.fired, history.skipped, key=lambda d: (d.epoch, d.oldest)))
    proof, before = None, None
    for epoch, following in zip_longest(history.epochs, history.epochs[1:]):
        proof = _Proof(history, epoch, following, before)
        yield from proof.faults(decisions.upto(epoch.epoch))
        before = proof
    if proof is not None:
        yield from proof.state_faults()
    for stray in decisions.upto(None):
        yield _stray(stray)


class _Stream:
    """Decisions in order, handed out epoch by epoch."""

    def __init__(self, decisions: Iterator[Decided]) -> None:
        self._rest = decisions
        self._head = next(decisions, None)

    def upto(self, epoch: int | None) -> Iterator[Decided]:
        while self._head is not None and (epoch is None or self._head.epoch <= epoch):
            head, self._head = self._head, next(self._rest, None)
            yield head


class _Proof:
    """One epoch, window after window. What it learns of the last fire, the next epoch asks for."""

    def __init__(
        self, history: History, epoch: Epoch, following: Epoch | None, before: _Proof | None
    ) -> None:
        self.history, self.epoch, self.before = history, epoch, before
        self.end = _end_of(history, following)
        self.here = epoch.windows
        kept = ALWAYS.after if history.proved_from is None else history.proved_from
        self.cursor = max(epoch.begins_after, kept)
        self.kept = kept
        # of a free interval, windows count from the fire before: not known where it is not kept
        self.sure = not epoch.is_free or self.cursor == epoch.begins_after
        self.last, self.knows_last = _last_before(epoch, before)

    def faults(self, decisions: Iterable[Decided]) -> Iterator[Fault]:
        yield from self._beginning()
        for decision in decisions:
            if decision.epoch != self.epoch.epoch:
                yield _stray(decision)
                continue
            if decision.newest > self.kept:
                yield from self._place(decision)
                self.cursor = max(self.cursor, decision.newest)
            if isinstance(decision, Fired):
                yield from self._follow(decision)
        if self.end is not None and self.here is not None:
            yield from self._hole(self.end)
        self.before = None  # or a long life would be held in memory whole

    def state_faults(self) -> Iterator[Fault]:
        """Compare with the row as it is, whose epoch this must be."""
        state, epoch = self.history.state, self.epoch
        if (state.epoch, state.since, state.opening) != (epoch.epoch, epoch.since, epoch.opening):
            yield self._fault(
                FaultKind.WRONG_EPOCH, state.since, f"the row is not in epoch {epoch.epoch}"
            )
        if self.here and self.knows_last and state.last_fired_at != self.last:
            yield self._wrong_last(state.last_fired_at, "of the row")
        elif epoch.is_free and self.sure and self.here and state.base != self.here.base:
            yield self._fault(
                FaultKind.WRONG_LAST_FIRED,
                state.base,
                f"the row's base is {rfc3339(state.base)}, not {rfc3339(self.here.base)}",
            )

    def _beginning(self) -> Iterator[Fault]:
        """Check that this epoch carries on where the one before ended."""
        epoch, before = self.epoch, self.before
        if before is None:
            return
        if epoch.epoch != before.epoch.epoch + 1:
            text = f"epoch {epoch.epoch} follows epoch {before.epoch.epoch}"
            yield self._fault(FaultKind.WRONG_EPOCH, epoch.since, text)
        if epoch.why in EDITS and before.knows_last and before.epoch.is_free:
            expected = epoch.since if before.last is None else before.last
            if epoch.base != expected:
                text = f"the edit counts from {rfc3339(epoch.base)}, not {rfc3339(expected)}"
                yield self._fault(FaultKind.WRONG_LAST_FIRED, epoch.base, text)

    def _place(self, decision: Decided) -> Iterator[Fault]:
        """Check that *decision* covers windows, the next ones, and as many as it says."""
        if self.end is not None and decision.newest > self.end:
            text = f"{decision} lies after {rfc3339(self.end)}, where its epoch ends"
            yield self._fault(FaultKind.NO_WINDOW, decision.newest, text)
        if decision.oldest <= self.cursor and decision.oldest > self.kept:
            text = f"{decision} covers windows that are decided already"
            yield self._fault(FaultKind.DOUBLE, decision.oldest, text)
        elif decision.oldest > self.cursor:
            yield from self._hole(decision.oldest - 1)
        yield from self._members(decision)

    def _members(self, decision: Decided) -> Iterator[Fault]:
        if not self.sure:
            return
        edges = {decision.oldest, decision.newest}
        strange = [at for at in sorted(edges) if self.here is None or not self.here.has(at)]
        for at in strange:
            text = f"{decision}: {rfc3339(at)} was never a window"
            yield self._difference(FaultKind.NO_WINDOW, at, text)
        if self.here is not None and not strange:
            yield from self._count(self.here, decision)

    def _count(self, here: Windows, decision: Decided) -> Iterator[Fault]:
        stretch = decision.counted
        found = here.count_up_to(COUNTED, stretch) if stretch else 0
        if found != decision.count:
            text = f"{decision} counts {_many(decision.count)}, but there are {_many(found)}"
            yield self._difference(FaultKind.WRONG_COUNT, decision.oldest, text)

    def _hole(self, until: Moment) -> Iterator[Fault]:
        """Name the windows after the cursor up to *until*, about which nothing was decided."""
        first = self.here.next_after(self.cursor) if self.sure and self.here else None
        if self.here is not None and first is not None and first <= until:
            count = _many(self.here.count_up_to(COUNTED, Stretch(self.cursor, until)))
            text = f"no decision about {count} windows from {rfc3339(first)} to {rfc3339(until)}"
            yield self._difference(FaultKind.HOLE, first, text)

    def _follow(self, fire: Fired) -> Iterator[Fault]:
        """Take over what *fire* stored: a free interval counts from it."""
        self.last, self.knows_last = fire.last_fired_at, True
        if self.epoch.is_free and self.here is not None and fire.last_fired_at is not None:
            self.here = Windows(
                self.here.table, self.here.since, fire.last_fired_at, self.here.opening
            )
            self.sure = True
        if not _could_store(fire) or (self.end is not None and self.end < (self.last or 0)):
            yield self._wrong_last(fire.last_fired_at, f"stored with {fire}")

    def _wrong_last(self, found: Moment | None, where: str) -> Fault:
        shown = "empty" if found is None else rfc3339(found)
        wanted = "empty" if self.last is None else rfc3339(self.last)
        text = f"last_fired_at {where} is {shown}"
        if found != self.last:
            text += f", but the last fire stored {wanted}"
        at = self.cursor if found is None else found
        return self._fault(FaultKind.WRONG_LAST_FIRED, at, text)

    def _difference(self, kind: FaultKind, at: Moment, text: str) -> Fault:
        """Tell a fault of the ledger from one that other zone data explain."""
        spec = self.epoch.spec
        zoned = spec is not None and isinstance(spec.timetable.timing, Cron)
        if zoned and self.epoch.zone_data_changed:
            text = f"{text}; the zone data changed since"
            return self._fault(FaultKind.ZONE_DATA, at, text)
        return self._fault(kind, at, text)

    def _fault(self, kind: FaultKind, at: Moment, text: str) -> Fault:
        return Fault(kind=kind, epoch=self.epoch.epoch, at=at, text=text)


def _end_of(history: History, following: Epoch | None) -> Moment | None:
    if following is None:
        return history.state.decided_until
    return following.decided_from if following.why in EDITS else following.before_until


def _last_before(epoch: Epoch, before: _Proof | None) -> tuple[Moment | None, bool]:
    """Return with which `last_fired_at` an epoch begins, and whether that is known."""
    last, known = (before.last, before.knows_last) if before else (None, False)
    match epoch.why:
        case EpochReason.CREATED | EpochReason.LAST_FIRED_CLEARED:
            return None, True
        case EpochReason.ADOPTED | EpochReason.LAST_FIRED_CHANGED:
            return epoch.base, True
        case EpochReason.CLOCK_SET_BACK:
            return (None if last is None else epoch.base), known
        case EpochReason.EDITED | EpochReason.CLOSED | EpochReason.REPAIRED:
            if before is not None and before.epoch.is_free:
                return last, known
            # the column may have been changed by hand, which begins no epoch here
            return (None, False) if epoch.base == epoch.since else (epoch.base, True)
        case _ as never:
            assert_never(never)


def _could_store(fire: Fired) -> bool:
    """Say whether a fire stores this: its window within a tick, else the moment of deciding.

    Nobody wrote down how long a tick was then, only that it lay between its bounds.
    """
    last = fire.last_fired_at
    if last is None or last < fire.window or fire.fired_at is None:
        return last is not None and last >= fire.window
    if fire.fired_at - fire.window <= SHORTEST_TICK:
        return last == fire.window
    if fire.fired_at - fire.window > LONGEST_TICK:
        return last == fire.fired_at
    return last in {fire.window, fire.fired_at}


def _stray(decision: Decided) -> Fault:
    text = f"{decision} is of epoch {decision.epoch}, of which nothing is known"
    return Fault(kind=FaultKind.WRONG_EPOCH, epoch=decision.epoch, at=decision.newest, text=text)


def _many(count: int | None) -> str:
    return f"more than {COUNTED}" if count is None else str(count)
