"""All schedules with the spec in force, to be asked what is to come. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest
from zoneinfo import ZoneInfo

from msgspec import Struct

from tinyforge.clock import Moment, rfc3339, utc
from tinyforge.model import Trigger
from tinyforge.operations.answers import WindowView
from tinyforge.operations.rendering import zone_of
from tinyforge.schedule.decision import State
from tinyforge.schedule.forecast import preview, windows_between
from tinyforge.schedule.spec import Spec, Stretch, load_spec
from tinyforge.store.port import Catalog, Timing


class Scheduled(Struct, frozen=True, kw_only=True):
    """One schedule whose windows can be told."""

    trigger: str
    spec: Spec
    state: State
    zone: ZoneInfo
    workloads: Sequence[str] = ()

    def undecided(self, stretch: Stretch) -> Stretch:
        """Return what of *stretch* still lies ahead of its decisions."""
        return Stretch(max(stretch.after, self.state.decided_until), stretch.until)

    def view(self, window: Moment) -> WindowView:
        return WindowView(
            trigger=self.trigger,
            window=rfc3339(window),
            local=utc(window).astimezone(self.zone).isoformat(),
            timezone=self.zone.key,
            workloads=self.workloads,
        )


def scheduled(
    trigger: Trigger, timing: Timing | None, workloads: Sequence[str] = ()
) -> Scheduled | None:
    """Return None where there are no windows: another kind, broken, or not planned yet."""
    if timing is None or timing.state is None or timing.spec is None:
        return None
    return Scheduled(
        trigger=trigger.name,
        spec=load_spec(timing.spec),
        state=timing.state,
        zone=zone_of(trigger.config),
        workloads=workloads,
    )


def fleet_of(catalog: Catalog) -> list[Scheduled]:
    timings = {timing.trigger_id: timing for timing in catalog.timings}
    bound = workloads_by_trigger(catalog)
    found = (
        scheduled(trigger, timings.get(trigger.id), bound.get(trigger.id, ()))
        for trigger in catalog.triggers
    )
    return [one for one in found if one is not None]


def workloads_by_trigger(catalog: Catalog) -> dict[int, list[str]]:
    """Return the names of the workloads bound to each trigger, sorted."""
    names = {workload.id: workload.name for workload in catalog.workloads}
    bound: dict[int, list[str]] = {}
    for binding in catalog.bindings:
        if name := names.get(binding.workload_id):
            bound.setdefault(binding.trigger_id, []).append(name)
    return {trigger_id: sorted(found) for trigger_id, found in bound.items()}


def first_windows(fleet: Iterable[Scheduled], stretch: Stretch, count: int) -> list[WindowView]:
    """Return the first *count* windows of all that are not at rest, in order."""
    opening = [
        (first[0], place, one)
        for place, one in enumerate(fleet)
        if not one.state.at_rest
        and (first := preview(one.spec, one.state, one.undecided(stretch).after, 1))
    ]
    foremost = nsmallest(count, opening, key=lambda found: found[:2])
    windows = [
        (window, place, one)
        for _, place, one in foremost
        for window in windows_between(one.spec, one.state, one.undecided(stretch), count)
    ]
    return [one.view(at) for at, _, one in nsmallest(count, windows, key=lambda found: found[:2])]
