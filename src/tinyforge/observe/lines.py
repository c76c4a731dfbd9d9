"""What the log says of a happening: one line for each fire, run and refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import IntEnum
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

from tinyforge import ids
from tinyforge.clock import SECOND, Moment, rfc3339
from tinyforge.model import Outcome, RunState
from tinyforge.observe import events
from tinyforge.observe.events import (
    EndedRunLine,
    EventsFannedOut,
    FiredWindow,
    Happening,
    RunsEnded,
    SchedulesFired,
)

Line: TypeAlias = dict[str, object]

LONGEST_TEXT = 4_096  # characters of one value
MOST_IDS = 20  # of one list
AS_TEXT = ("row_id", "instance")  # JSON numbers hold 53 bits


class Level(IntEnum):
    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40

    @property
    def word(self) -> str:
        return self.name.lower()


SINGLE: Mapping[type[Happening], tuple[Level, str]] = {
    events.ServerStarted: (Level.INFO, "the server starts"),
    events.SchemaMigrated: (Level.INFO, "the schema of the database went one step on"),
    events.MigrationWaits: (Level.WARNING, "a change of the schema waits for other transactions"),
    events.Started: (Level.INFO, "schedules are served"),
    events.ServerStopped: (Level.INFO, "the server stopped"),
    events.TickIntervalClamped: (Level.WARNING, "the tick interval was moved into its limits"),
    events.TickBegan: (Level.DEBUG, "a sweep begins"),
    events.ListingFailed: (Level.ERROR, "due schedules could not be listed; the next sweep tries"),
    events.RecordingFailed: (Level.ERROR, "nothing is dispatched: it could not be recorded"),
    events.Recorded: (Level.DEBUG, "the sweep was recorded"),
    events.WindowsSkipped: (Level.INFO, "windows skipped"),
    events.FireRefused: (Level.ERROR, "not fired: it is no schedule that may fire"),
    events.RowBroken: (Level.ERROR, "a row is broken and not served until it is changed"),
    events.RowRepaired: (Level.INFO, "a row that was broken is served again"),
    events.RowWarned: (Level.WARNING, "a value was read in a way its author may not expect"),
    events.ClockSetBack: (Level.WARNING, "the clock was set back; schedules were planned again"),
    events.FiredByHand: (Level.INFO, "fired by hand"),
    events.EventsAccepted: (Level.DEBUG, "events stored"),
    events.EventQuarantined: (Level.ERROR, "an event is given up: its fan-out died each time"),
    events.HopLimitReached: (Level.ERROR, "not fired: too many runs have followed one another"),
    events.RunsStarted: (Level.DEBUG, "runs began"),
    events.DeploysDone: (Level.DEBUG, "deploys are done, their outcomes not stored yet"),
    events.DeploysStopped: (Level.ERROR, "deploys are stopped: their lease is about to end"),
    events.OutcomesRefused: (Level.WARNING, "the ends of runs are not stored: others have them"),
    events.KindFailed: (Level.ERROR, "a kind has a bug; what it was asked for is left out"),
    events.RunsRecovered: (Level.WARNING, "runs of a server that died were taken over"),
    events.ManifestApplied: (Level.INFO, "manifest applied"),
    events.ManifestRefused: (Level.ERROR, "manifest refused; the state applied last goes on"),
    events.HistorySwept: (Level.INFO, "history that is kept no longer was deleted"),
    events.DeliveriesReceived: (Level.DEBUG, "deliveries stored"),
    events.DeliveryReplayed: (Level.INFO, "an old delivery was made a new event"),
    events.DeliveryRefused: (Level.DEBUG, "a delivery is refused"),
    events.DeliveriesRefused: (Level.WARNING, "deliveries are refused, and not kept"),
    events.FileDamaged: (Level.ERROR, "the database file is damaged: restore a copy"),
    events.BlockedLoop: (Level.ERROR, "the process ends: something did not give the loop back"),
    events.Committed: (Level.DEBUG, "commit"),
    events.ConnectionTurnedAway: (Level.DEBUG, "a connection was closed: too slow, or too many"),
    events.DeliveryTurnedAway: (Level.DEBUG, "a request to a webhook endpoint ended at the door"),
    events.CallRefused: (Level.DEBUG, "a call without a proof of who makes it"),
    events.CallsRefused: (Level.WARNING, "calls without a proof of who makes them were refused"),
    events.RequestFailed: (Level.ERROR, "a request met a bug"),
    events.HeartbeatFailed: (Level.WARNING, "the heartbeat URL could not be called"),
}

ENDED: Mapping[RunState, tuple[Level, str]] = {
    RunState.QUEUED: (Level.WARNING, "run failed and will be tried again"),
    RunState.SUCCEEDED: (Level.INFO, "run succeeded"),
    RunState.FAILED: (Level.ERROR, "run failed"),
    RunState.CANCELLED: (Level.WARNING, "run cancelled"),
    RunState.SUPERSEDED: (Level.INFO, "run superseded"),
    RunState.INTERRUPTED: (Level.ERROR, "run interrupted: its worker died"),
}

WORDS: Mapping[RunState, str] = {state: state.word for state in RunState}
REFUSED: Mapping[Outcome, tuple[Level, str]] = {
    Outcome.NOT_MATCHED: (Level.INFO, "no run: the rule does not match"),
    Outcome.MATCH_FAILED: (Level.ERROR, "no run: it could not be matched"),
    Outcome.DISABLED: (Level.INFO, "no run: the binding is disabled"),
    Outcome.SKIPPED_BUSY: (Level.INFO, "no run: the workload is busy and its queue is skip"),
    Outcome.SKIPPED_FULL: (Level.WARNING, "no run: the workload's queue is full"),
    Outcome.QUARANTINED: (Level.ERROR, "no run: the event was given up"),
    Outcome.UNKNOWN_KIND: (Level.ERROR, "no run: its kind is not installed"),
}


def lines_of(happening: Happening, least: Level, now: Moment) -> list[Line]:
    """Return the lines of *happening* that are at least that grave, ready to be rendered."""
    match happening:
        case SchedulesFired():
            return list(_fires(happening, least, now))
        case RunsEnded():
            return list(_ended(happening, least, now))
        case EventsFannedOut():
            return list(_fanned_out(happening, least, now))
    level, message = SINGLE[type(happening)]
    if level < least:
        return []
    return [_head(happening, level, message, now) | row(happening)]


def _head(happening: Happening, level: Level, message: str, now: Moment) -> Line:
    return {
        "time": _written(now),
        "level": level.word,
        "happening": type(happening).__name__,
        "message": message,
    }


def _fires(happening: SchedulesFired, least: Level, now: Moment) -> Iterator[Line]:
    if least <= Level.INFO:
        head = _head(happening, Level.INFO, "fired", now)
        head |= {"kind": happening.kind, "at": _written(happening.at)}
        yield from (head | fired_row(fired) for fired in happening.fired)
    if least <= Level.WARNING:
        yield from (
            _head(happening, Level.WARNING, _catch_up(fired.overdue), now) | fired_row(fired)
            for fired in happening.fired
            if fired.overdue is not None
        )


def _catch_up(overdue: int) -> str:
    return f"a catch-up: overdue by {timedelta(seconds=overdue // SECOND)}, it fires once"


def _ended(happening: RunsEnded, least: Level, now: Moment) -> Iterator[Line]:
    heads = {
        state: _head(happening, level, message, now)
        for state, (level, message) in ENDED.items()
        if level >= least
    }
    return (heads[run.state] | ended_row(run) for run in happening.runs if run.state in heads)


def _fanned_out(happening: EventsFannedOut, least: Level, now: Moment) -> Iterator[Line]:
    if least <= Level.DEBUG:
        counts = happening.events, happening.scheduled, happening.runs
        summary = dict(zip(("events", "scheduled", "runs"), counts, strict=True))
        yield _head(happening, Level.DEBUG, "events fanned out", now) | summary
    for refused in happening.refused:
        level, message = REFUSED[refused.outcome]
        if level >= least:
            yield _head(happening, level, message, now) | row(refused)


# --- one value ------------------------------------------------------------------------------------

Form: TypeAlias = Callable[[object], object]


def clipped(text: object) -> object:
    if isinstance(text, str) and len(text) > LONGEST_TEXT:
        return f"{text[:LONGEST_TEXT]}… ({len(text) - LONGEST_TEXT} characters more)"
    return text


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value


def _id(prefix: str) -> Form:
    return lambda value: ids.show(prefix, _number(value))


def _several(form: Form) -> Form:
    def show(values: object) -> object:
        found = values if isinstance(values, Sequence) else ()
        more = [f"and {len(found) - MOST_IDS} more"] if len(found) > MOST_IDS else []
        return [form(value) for value in found[:MOST_IDS]] + more

    return show


@lru_cache(1_024)
def _second(seconds: int) -> str:
    return rfc3339(seconds * SECOND).removesuffix("Z")


def _moment(at: object) -> str:
    return _written(_number(at))


def _written(at: Moment) -> str:
    seconds, rest = divmod(at, SECOND)
    return f"{_second(seconds)}.{rest:06d}Z"


def _milliseconds(length: object) -> float:
    return _number(length) / 1_000


FORMS: Mapping[str, Form] = {
    "Moment": _moment,
    "Micros": _milliseconds,
    "EventId": _id("evt"),
    "RunId": _id("run"),
    "TriggerId": _id("trg"),
    "BindingId": _id("bnd"),
    "Sequence[EventId]": _several(_id("evt")),
    "Sequence[RunId]": _several(_id("run")),
    "Sequence[str]": _several(clipped),
    "str": clipped,
    "int": clipped,
    "int | None": clipped,
    "float": clipped,
    "RunState": lambda state: RunState(_number(state)).word,
    "Outcome": str,
}


@lru_cache(128)
def shape_of(record: type[Struct]) -> tuple[tuple[str, str, Form, bool], ...]:
    """Return (key in the log, attribute, form, whether None leaves it out) of each field."""
    found = []
    for name, annotation in record.__annotations__.items():
        if name == "trigger_id":  # its name stands beside it
            continue
        plain = annotation.removesuffix(" | None")
        may_lack = plain != annotation and annotation not in FORMS
        form = FORMS[annotation if annotation in FORMS else plain] if name not in AS_TEXT else str
        key = f"{name}_ms" if plain == "Micros" else name
        found.append((key, name, form, may_lack))
    return tuple(found)


def fired_row(fired: FiredWindow) -> Line:
    """Return what `row` does: one is written for each fire, so it is spelled out."""
    line: Line = {
        "trigger": clipped(fired.trigger),
        "event_id": ids.show("evt", fired.event_id),
        "window": _written(fired.window),
        "late_by_ms": fired.late_by / 1_000,
        "folded": fired.folded,
    }
    if fired.overdue is not None:
        line["overdue_ms"] = fired.overdue / 1_000
    return line


def ended_row(run: EndedRunLine) -> Line:
    """Return what `row` does: one is written for each run, so it is spelled out."""
    line: Line = {
        "run_id": ids.show("run", run.run_id),
        "workload": clipped(run.workload),
        "kind": clipped(run.kind),
        "state": WORDS[run.state],
        "attempt": run.attempt,
        "took_ms": run.took / 1_000,
    }
    if run.error is not None:
        line["error"] = clipped(run.error)
    return line


def row(record: Happening | FiredWindow | events.BindingResult | EndedRunLine) -> Line:
    """Return the fields of *record* as the log shows them; Micros end in `_ms`."""
    line: Line = {}
    for key, name, form, may_lack in shape_of(type(record)):
        value = getattr(record, name)
        if value is not None or not may_lack:
            line[key] = form(value)
    return line
