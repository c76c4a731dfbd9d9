"""Happenings as the engine would emit them."""

from __future__ import annotations

from tinyforge.clock import HOUR, SECOND
from tinyforge.model import BindingId, EventId, Outcome, RunId, RunState, TriggerId
from tinyforge.observe.events import (
    BindingResult,
    EndedRunLine,
    EventsFannedOut,
    FiredWindow,
    Happening,
    RunsEnded,
    SchedulesFired,
)

NOON = 1_767_614_400_000_000  # 2026-01-05T12:00:00Z


def fired(trigger: str = "nightly", late_by: int = 0, **more: int | None) -> FiredWindow:
    return FiredWindow(
        trigger_id=TriggerId(1),
        trigger=trigger,
        event_id=EventId(2),
        window=NOON - late_by,
        late_by=late_by,
        folded=more.get("folded", 0),
        overdue=more.get("overdue"),
    )


def fires(*windows: FiredWindow) -> SchedulesFired:
    return SchedulesFired(at=NOON, fired=windows)


CATCH_UP = fires(fired(late_by=3 * HOUR, folded=2, overdue=49 * HOUR))


def ended(state: RunState, took: int = SECOND, error: str | None = None) -> EndedRunLine:
    return EndedRunLine(
        run_id=RunId(3),
        workload="site",
        kind="command",
        state=state,
        attempt=1,
        took=took,
        error=error,
    )


def ends(*runs: EndedRunLine) -> RunsEnded:
    return RunsEnded(at=NOON, runs=runs)


def refusals(*outcomes: Outcome) -> EventsFannedOut:
    refused = [
        BindingResult(
            event_id=EventId(2), binding_id=BindingId(4), outcome=outcome, reason="branch is dev"
        )
        for outcome in outcomes
    ]
    return EventsFannedOut(events=1, scheduled=1, runs=2, refused=refused)


def kinds_of_happening() -> list[type[Happening]]:
    ours = (kind for kind in Happening.__subclasses__() if kind.__module__ == Happening.__module__)
    return sorted(ours, key=lambda kind: kind.__name__)
