"""What is to come, as it looks now: every fire is taken to be on time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from msgspec import Struct

from tinyforge.clock import MINUTE, Moment
from tinyforge.schedule.decide import windows_of
from tinyforge.schedule.decision import State
from tinyforge.schedule.spec import ALWAYS, At, Spec, Stretch


class Load(Struct, frozen=True, kw_only=True):
    """The fires of a fleet. Not *complete*: the count ended at its limit."""

    total: int
    by_minute: Mapping[
        Moment, int
    ]  # keyed by the minute's begin; minutes without a fire are absent
    by_name: Mapping[str, int]
    complete: bool

    @property
    def busiest(self) -> Moment | None:
        """Return the first of the minutes with most fires; None where there are no fires."""
        if not self.by_minute:
            return None
        return min(self.by_minute, key=lambda minute: (-self.by_minute[minute], minute))


def preview(spec: Spec, state: State, after: Moment, count: int) -> list[Moment]:
    """Return the next *count* windows after *after*, fewer where there are fewer."""
    return list(islice(_windows(spec, state, Stretch(after, ALWAYS.until)), count))


def windows_between(spec: Spec, state: State, stretch: Stretch, limit: int) -> list[Moment]:
    """Return the windows of *stretch*, at most the first *limit* of them."""
    return list(islice(_windows(spec, state, stretch), limit))


def count_between(spec: Spec, state: State, stretch: Stretch) -> int:
    """Return how many windows *stretch* has, to the last one."""
    return windows_of(spec, state).count_in(stretch)


def is_window(spec: Spec, state: State, at: Moment) -> bool:
    return windows_of(spec, state).has(at)


def nearest(spec: Spec, state: State, at: Moment) -> tuple[Moment | None, Moment | None]:
    """Return the epoch's last window before *at* and the first after it."""
    here = windows_of(spec, state)
    begin = ALWAYS.after if isinstance(spec.timetable.timing, At) else state.since - 1
    return here.newest_in(Stretch(begin, max(at - 1, begin))), here.next_after(max(at, begin))


def fires_between(fleet: Iterable[tuple[str, Spec, State]], stretch: Stretch, limit: int) -> Load:
    """Count the fires of (name, spec, state) in *stretch*, *limit* at most; who rests has none."""
    by_minute: Counter[Moment] = Counter()
    by_name: Counter[str] = Counter()
    total = 0
    for name, window in islice(_fires(fleet, stretch), limit + 1):
        total += 1
        if total <= limit:
            by_minute[window - window % MINUTE] += 1
            by_name[name] += 1
    return Load(
        total=min(total, limit), by_minute=by_minute, by_name=by_name, complete=total <= limit
    )


def _fires(
    fleet: Iterable[tuple[str, Spec, State]], stretch: Stretch
) -> Iterator[tuple[str, Moment]]:
    for name, spec, state in fleet:
        if not state.at_rest:
            begin = max(stretch.after, state.decided_until)
            for window in _windows(spec, state, Stretch(begin, stretch.until)):
                yield name, window


def _windows(spec: Spec, state: State, stretch: Stretch) -> Iterator[Moment]:
    here = windows_of(spec, state)
    at = here.next_after(stretch.after)
    while at is not None and at <= stretch.until:
        yield at
        at = here.next_after(at)
