"""What is to come: the next windows, and the load of the fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tinyforge.clock import DAY, Clock, Moment, rfc3339
from tinyforge.errors import Refused
from tinyforge.model import Trigger
from tinyforge.operations.answers import MinuteView, PreviewView, SimulateView
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.fleet import Scheduled, first_windows, fleet_of, scheduled
from tinyforge.operations.naming import read_names
from tinyforge.operations.rendering import SCHEDULE
from tinyforge.operations.roles import Reads
from tinyforge.schedule.forecast import Load, count_between, fires_between, preview
from tinyforge.schedule.spec import ALWAYS, LATEST, Interval, Stretch
from tinyforge.store.port import Catalog

MOST_FIRES = 200_000  # that one simulation counts
SHOWN = 200  # of its windows
NAMED = 5
LONGEST = 366 * DAY
SHORTER = 4  # times, where a stretch has too many fires


@dataclass(frozen=True)
class Forecasts:
    reads: Reads
    clock: Clock

    async def preview(
        self, name: str, caller: Caller, count: int, after: Moment | None = None
    ) -> PreviewView:
        """Return the next *count* windows of one schedule."""
        caller.must_see_trigger(name)
        trigger, timing = await self.reads.trigger_named(name)
        bindings = await self.reads.bindings_of(trigger.id)
        names = await read_names(self.reads, workloads=(b.workload_id for b in bindings))
        workloads = [names.workload(binding.workload_id) for binding in bindings]
        found = scheduled(trigger, timing, sorted(workloads))
        if found is None:
            return _without_windows(trigger)
        begin = max(self.clock.now() if after is None else after, found.state.decided_until)
        windows = preview(found.spec, found.state, begin, count)
        notes = _resting(trigger, found) or _overdue(found, self.clock.now())
        return PreviewView(
            windows=[found.view(window) for window in windows],
            notes=notes if windows else [*notes, f"{name} has no window after {rfc3339(begin)}"],
            next_command=_after_preview(found),
        )

    async def preview_all(
        self, caller: Caller, count: int, after: Moment | None = None
    ) -> PreviewView:
        """Return the next *count* windows of all schedules in sight that are not at rest."""
        catalog = await self.reads.catalog()
        begin = self.clock.now() if after is None else after

        def look() -> PreviewView:
            fleet = _in_sight(catalog, caller)
            windows = first_windows(fleet, Stretch(begin, ALWAYS.until), count)
            return PreviewView(
                windows=windows,
                notes=_resting_notes(fleet),
                next_command="tinyforge simulate" if windows else "tinyforge trigger list",
            )

        return await asyncio.to_thread(look)

    async def simulate(
        self, caller: Caller, since: Moment | None, until: Moment | None
    ) -> SimulateView:
        """Say what fires from *since* (now) to *until* (a day later), and when most of it does."""
        begin = self.clock.now() if since is None else since
        end = begin + DAY if until is None else until
        _check(begin, end)
        catalog = await self.reads.catalog()
        stretch = Stretch(begin, end)
        return await asyncio.to_thread(lambda: _simulated(_in_sight(catalog, caller), stretch))


def _in_sight(catalog: Catalog, caller: Caller) -> list[Scheduled]:
    return [one for one in fleet_of(catalog) if caller.sees_trigger(one.trigger)]


def _simulated(fleet: Sequence[Scheduled], asked: Stretch) -> SimulateView:
    counted, load = _counted(fleet, _bounded(fleet, asked))
    minutes = [
        MinuteView(minute=rfc3339(at), fires=fires) for at, fires in sorted(load.by_minute.items())
    ]
    return SimulateView(
        since=rfc3339(asked.after),
        until=rfc3339(asked.until),
        total=load.total,
        windows=first_windows(fleet, counted, SHOWN),
        minutes=minutes,
        busiest=_busiest(load),
        cut_at=rfc3339(counted.until) if counted != asked else None,
        notes=_resting_notes(fleet),
        next_command="tinyforge preview",
    )


def _counted(fleet: Sequence[Scheduled], stretch: Stretch) -> tuple[Stretch, Load]:
    """Count the fires of *stretch*, or of its first part where there are too many."""
    while True:
        named = ((one.trigger, one.spec, one.state) for one in fleet)
        load = fires_between(named, stretch, MOST_FIRES)
        if load.complete:
            return stretch, load
        stretch = Stretch(stretch.after, stretch.after + (stretch.until - stretch.after) // SHORTER)


def _bounded(fleet: Sequence[Scheduled], asked: Stretch) -> Stretch:
    """Shorten *asked* to what intervals alone let be counted; their number costs nothing."""
    total = sum(
        count_between(one.spec, one.state, asked)
        for one in fleet
        if isinstance(one.spec.timetable.timing, Interval) and not one.state.at_rest
    )
    if total <= MOST_FIRES:
        return asked
    return Stretch(asked.after, asked.after + (asked.until - asked.after) * MOST_FIRES // total)


def _busiest(load: Load) -> MinuteView | None:
    if load.busiest is None:
        return None
    return MinuteView(minute=rfc3339(load.busiest), fires=load.by_minute[load.busiest])


def _check(begin: Moment, end: Moment) -> None:
    if not begin < end <= begin + LONGEST or end > LATEST:
        raise Refused(
            f"from {rfc3339(begin)} to {rfc3339(end)} is not a stretch of up to 366 days",
            "tinyforge simulate --from now --to +1d",
        )


def _without_windows(trigger: Trigger) -> PreviewView:
    if trigger.broken is not None:
        note = f"{trigger.name} is broken and does not fire: {trigger.broken}"
        return PreviewView(
            windows=[], notes=[note], next_command=command("trigger", "show", trigger.name)
        )
    if trigger.kind != SCHEDULE:
        note = f"{trigger.name} is of kind {trigger.kind}: it has no windows"
        return PreviewView(
            windows=[], notes=[note], next_command=command("trigger", "fire", trigger.name)
        )
    note = f"no sweep has planned {trigger.name} yet; a running server does so within one tick"
    return PreviewView(windows=[], notes=[note], next_command="tinyforge doctor")


def _resting(trigger: Trigger, found: Scheduled) -> list[str]:
    state = found.state
    if state.disabled_at is not None:
        return [f"{trigger.name} is disabled by its config: none of these fire"]
    if state.paused_at is not None:
        since = rfc3339(state.paused_at)
        return [f"{trigger.name} is paused since {since}: none of these fire until it is resumed"]
    return []


def _overdue(found: Scheduled, now: Moment) -> list[str]:
    passed = preview(found.spec, found.state, found.state.decided_until, 1)
    if not passed or passed[0] > now:
        return []
    return [f"{found.trigger} has windows from {rfc3339(passed[0])} on that no sweep has decided"]


def _after_preview(found: Scheduled) -> str:
    if found.state.paused_at is not None and found.state.disabled_at is None:
        return command("trigger", "resume", found.trigger)
    return command("explain", found.trigger)


def _resting_notes(fleet: Sequence[Scheduled]) -> list[str]:
    resting = [one.trigger for one in fleet if one.state.at_rest]
    if not resting:
        return []
    some = ", ".join(sorted(resting)[:NAMED]) + (", …" if len(resting) > NAMED else "")
    return [f"{len(resting)} paused or disabled, and left out: {some}"]
