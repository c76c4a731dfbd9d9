"""Specs in a word, and what a decision says."""

from __future__ import annotations

from tests.schedule.timetables import at
from tinyforge.clock import HOUR, Moment
from tinyforge.schedule import words
from tinyforge.schedule.decision import Decision, Reason, Skipped, Span
from tinyforge.schedule.spec import (
    At,
    Interval,
    Spec,
    Timetable,
)

NOON = at(2026, 1, 5, 12)


def interval(every: int, **options: object) -> Spec:
    timetable = {k: options.pop(k) for k in ("spread", "phase", "active") if k in options}
    anchor = options.pop("anchor", None)
    timing = Interval(every=every, anchor=anchor)  # type: ignore[arg-type]
    return Spec(timetable=Timetable(timing=timing, **timetable), **options)  # type: ignore[arg-type]


def cron(text: str, zone: str = "UTC") -> Spec:
    return Spec(timetable=Timetable(timing=words.cron(text, zone)))


def once(moment: Moment) -> Spec:
    return Spec(timetable=Timetable(timing=At(moment)))


def fired(decision: Decision) -> Moment | None:
    return decision.fire.window if decision.fire else None


def skipped(reason: Reason, oldest: Moment, newest: Moment, count: int) -> Skipped:
    return Skipped(reason=reason, span=Span(oldest=oldest, newest=newest, count=count))


HOURLY = interval(HOUR)
