"""The usual fire, compiled: one window passed, not too late. Anything else is `decide`'s."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from tinyforge.clock import Micros, Moment
from tinyforge.schedule.decide import OVERDUE_INTERVALS, decide
from tinyforge.schedule.decision import State
from tinyforge.schedule.spec import Interval, Spec


class Alone(NamedTuple):
    """A fire of the only window passed: what is stored of it, and rule 11's length."""

    last_fired_at: Moment
    base: Moment
    next_due_at: Moment | None
    overdue: Micros | None


class Undecided(Protocol):
    """A schedule at work, and its first window that is not decided."""

    @property
    def since(self) -> Moment: ...
    @property
    def base(self) -> Moment: ...
    @property
    def opening(self) -> Moment | None: ...
    @property
    def last_fired_at(self) -> Moment | None: ...
    @property
    def decided_until(self) -> Moment: ...
    @property
    def due_at(self) -> Moment: ...


Quick: TypeAlias = Callable[[Undecided, Moment], Alone | None]


def quick(spec: Spec) -> Quick:
    """Return what `decide` says of a schedule whose one window passed; None: ask `decide`."""
    return _free(spec) if spec.timetable.is_free else _any(spec)


def _free(spec: Spec) -> Quick:
    timing, limit, tick = spec.timetable.timing, spec.limit, spec.tick_interval
    assert isinstance(timing, Interval)  # noqa: S101 - only an interval is free
    every, until = timing.every, spec.timetable.active.until
    threshold = OVERDUE_INTERVALS * every

    def fire(row: Undecided, now: Moment) -> Alone | None:
        due, base, opening, last = row.due_at, row.base, row.opening, row.last_fired_at
        late = now - due
        if late > limit or base + max(1, (due - base) // every + 1) * every <= now:
            return None
        if opening is not None and opening > due:
            return None
        fired = due if late <= tick else now
        coming = fired + every
        overdue = late if last is not None and now - last > threshold else None
        return Alone(fired, fired, coming if coming <= until else None, overdue)

    return fire


def _any(spec: Spec) -> Quick:
    def fire(row: Undecided, now: Moment) -> Alone | None:
        decision = decide(spec, _state(row), now, row.due_at)
        found, state = decision.fire, decision.state
        if found is None or found.folded is not None or decision.skipped is not None:
            return None
        return Alone(
            now if state.last_fired_at is None else state.last_fired_at,
            state.base,
            decision.due_at,
            found.overdue,
        )

    return fire


def _state(row: Undecided) -> State:
    return State(
        since=row.since,
        base=row.base,
        opening=row.opening,
        last_fired_at=row.last_fired_at,
        decided_until=row.decided_until,
    )
