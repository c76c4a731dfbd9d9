"""Why a moment was, or was not, a fire: the verdict and its sentences, from stored facts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Micros, Moment, rfc3339
from tinyforge.ids import show
from tinyforge.model import Event, Trigger
from tinyforge.operations.answers import DecisionView, ExplainView, Verdict
from tinyforge.operations.commands import command
from tinyforge.operations.rendering import SKIPPED_BECAUSE, at_text, span_view, state_of
from tinyforge.schedule.decision import Reason, State
from tinyforge.schedule.spec import Stretch, load_spec
from tinyforge.schedule.windows import COUNTED, Windows
from tinyforge.store.port import EpochRow, SpanRow, Timing

SHOWN = 10
LENGTHS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one schedule around one moment."""

    trigger: Trigger
    timing: Timing
    state: State
    epochs: Sequence[EpochRow]  # ascending
    kept_from: Moment | None  # decisions of windows up to here are gone
    fire_before: Event | None
    now: Moment


class Around(NamedTuple):
    before: Moment | None
    after: Moment | None


def length(micros: Micros) -> str:
    """Return a length of time in its two largest units: `2 h 5 min`."""
    if abs(micros) < SECOND:
        return f"{micros / 1_000:.0f} ms"
    words: list[str] = []
    for unit, word in LENGTHS:
        count, micros = divmod(micros, unit)
        if count:
            words.append(f"{count} {word}")
    return " ".join(words[:2])


def epoch_of(facts: Facts, at: Moment) -> EpochRow | None:
    """Return the epoch in which *at* was or will be decided; None: the schedule was not there."""
    begun = [row for row in facts.epochs if row.decided_from < at]
    return begun[-1] if begun else None


def windows_at(facts: Facts, at: Moment) -> Windows | None:
    """Return the windows as they were around *at*: a free interval counts from the fire before."""
    row = epoch_of(facts, at)
    if row is None or row.spec is None:
        return None
    table = load_spec(row.spec).timetable
    base, fire = row.base, facts.fire_before
    if row is facts.epochs[-1] and at > facts.state.decided_until:
        base = facts.state.base
    elif fire is not None and fire.epoch == row.epoch and fire.last_fired_at is not None:
        base = fire.last_fired_at
    return Windows(table, row.since, base, row.opening)


def snapped(facts: Facts, at: Moment) -> Moment:
    """Return the window that was meant: people read whole seconds, and windows need not be."""
    here = None if at % SECOND else windows_at(facts, at + SECOND)
    if here is None:
        return at
    found = here.next_after(at - 1)
    return found if found is not None and found < at + SECOND else at


def nearest(facts: Facts, at: Moment) -> Around:
    """Return the last window before *at* and the first after it, across an edit."""
    here, fire = windows_at(facts, at), facts.fire_before
    before = fire.window if fire is not None else None
    if here is None:
        return Around(before, facts.timing.due_at)
    row = epoch_of(facts, at)
    begin = row.decided_from if row else at
    newest = here.newest_in(Stretch(min(begin, at - 1), at - 1))
    if newest is not None and (before is None or newest > before):
        before = newest
    after = here.next_after(at)
    later = [one for one in facts.epochs if row is not None and one.epoch > row.epoch]
    if later and (after is None or after > later[0].decided_from):
        after = _first_of(later[0])
    return Around(before, after)


def _first_of(row: EpochRow) -> Moment | None:
    if row.spec is None:
        return None
    table = load_spec(row.spec).timetable
    return Windows(table, row.since, row.base, row.opening).next_after(row.decided_from)


def explained(facts: Facts, at: Moment, verdict: Verdict, words: str, fix: str) -> ExplainView:
    around = nearest(facts, at)
    return ExplainView(
        trigger=facts.trigger.name,
        asked=rfc3339(at),
        verdict=verdict,
        words=words,
        nearest_before=at_text(around.before),
        nearest_after=at_text(around.after),
        due_at=at_text(facts.timing.due_at),
        next_command=fix,
    )


def skipped(facts: Facts, at: Moment, row: SpanRow) -> ExplainView:
    """Say why a window was skipped, and with how many others."""
    why = SKIPPED_BECAUSE.get(row.reason, row.reason)
    words = (
        f"The window of {rfc3339(at)} was skipped ({row.reason}): {why}. It is one of"
        f" {counted(row.count)} from {rfc3339(row.oldest)} to {rfc3339(row.newest)},"
        f" decided at {rfc3339(row.decided_at)}."
    )
    view = explained(facts, at, "skipped", words, _after_skip(facts, row))
    return replace(view, span=span_view(row))


def _after_skip(facts: Facts, row: SpanRow) -> str:
    name = facts.trigger.name
    if row.reason == Reason.PAUSED and facts.state.paused_at is not None:
        return command("trigger", "resume", name)
    return command("trigger", "show", name)


def fired_words(at: Moment, event: Event) -> tuple[Verdict, str]:
    """Return the verdict on a window that *event* stands for, and its first sentence."""
    shown = show("evt", event.id)
    late = f", {length(event.late_by)} late" if event.late_by >= SECOND else ""
    folded = f"; {counted(event.folded)} before it were folded into it" if event.folded != 0 else ""
    if event.window == at:
        return "fired", f"The window of {rfc3339(at)} fired{late}: {shown}{folded}."
    window = rfc3339(event.window) if event.window is not None else "?"
    return "folded", (
        f"The window of {rfc3339(at)} was folded into the fire of {window}: {shown}."
        f" {counted(event.folded)} had passed undecided, and of those only the newest fires."
    )


def undecided(facts: Facts, at: Moment, *, is_window: bool) -> ExplainView:
    """Explain a moment about which nothing is stored."""
    name, state = facts.trigger.name, facts.state
    first = facts.epochs[0].decided_from if facts.epochs else state.since
    if facts.kept_from is not None and at <= facts.kept_from:
        return _not_kept(facts, at, facts.kept_from)
    if epoch_of(facts, at) is None:
        words = f"{name} was not there yet at {rfc3339(at)}; it began at {rfc3339(first)}."
        return explained(facts, at, "not_a_window", words, command("trigger", "show", name))
    if windows_at(facts, at) is None:
        return _without_windows(facts, at)
    if not is_window:
        return _never(facts, at)
    if at > state.decided_until:
        return _to_come(facts, at)
    words = f"{rfc3339(at)} was a window of {name}, and no decision about it is stored."
    return explained(facts, at, "missing", words, command("verify", name))


def _not_kept(facts: Facts, at: Moment, kept_from: Moment) -> ExplainView:
    name = facts.trigger.name
    words = f"Decisions of {name} are not kept before {rfc3339(kept_from)}."
    return explained(facts, at, "not_kept", words, command("explain", name))


def _without_windows(facts: Facts, at: Moment) -> ExplainView:
    name = facts.trigger.name
    why = f"it is broken: {facts.trigger.broken}" if facts.trigger.broken else "it was no schedule"
    words = f"{name} had no windows at {rfc3339(at)}: {why}."
    return explained(facts, at, "broken", words, command("trigger", "show", name))


def _never(facts: Facts, at: Moment) -> ExplainView:
    name = facts.trigger.name
    around = nearest(facts, at)
    known = [moment for moment in around if moment is not None]
    if not known:
        words = f"{rfc3339(at)} was never a window of {name}, which has none around it."
        return explained(facts, at, "not_a_window", words, command("preview", name))
    closest = min(known, key=lambda moment: abs(moment - at))
    words = (
        f"{rfc3339(at)} was never a window of {name}; the nearest is {rfc3339(closest)},"
        f" {length(abs(closest - at))} {'later' if closest > at else 'earlier'}."
    )
    fix = command("explain", name, rfc3339(closest))
    return explained(facts, at, "not_a_window", words, fix)


def _to_come(facts: Facts, at: Moment) -> ExplainView:
    name, state = facts.trigger.name, facts.state
    rests = state.paused_at is not None or state.disabled_at is not None
    if at > facts.now and not rests:
        words = f"The window of {rfc3339(at)} is to come, in {length(at - facts.now)}."
        return explained(facts, at, "future", words, command("preview", name))
    if rests:
        switch = "paused" if state.paused_at is not None else "disabled by its config"
        words = (
            f"{rfc3339(at)} is a window of {name}, which is {switch}: nothing is decided until that"
            " ends, and then at most one window fires."
        )
        fix = "resume" if state.paused_at is not None else "show"
        return explained(facts, at, "resting", words, command("trigger", fix, name))
    words = (
        f"The window of {rfc3339(at)} passed {length(facts.now - at)} ago, and no sweep has"
        " decided it yet; a running server does so within one tick."
    )
    return explained(facts, at, "undecided", words, "tinyforge doctor")


def summary(facts: Facts, events: Sequence[Event], spans: Sequence[SpanRow]) -> ExplainView:
    """Return the last decisions and what comes next."""
    name = facts.trigger.name
    decisions = [_fire_line(name, event) for event in events]
    decisions += [_span_line(name, row) for row in spans]
    decisions.sort(key=lambda line: line.at, reverse=True)
    return ExplainView(
        trigger=name,
        asked=None,
        verdict="summary",
        words=_standing(facts),
        decisions=decisions[:SHOWN],
        due_at=at_text(facts.timing.due_at),
        next_command=_after_summary(facts, decisions),
    )


def _standing(facts: Facts) -> str:
    name, due_at = facts.trigger.name, facts.timing.due_at
    state = state_of(facts.trigger, facts.timing)
    if state == "broken":
        return f"{name} is broken and does not fire: {facts.trigger.broken}."
    if state != "active":
        return f"{name} is {state}: it does not fire, and nothing is decided meanwhile."
    if due_at is None:
        return f"{name} is active and has no window left."
    if due_at <= facts.now:
        return f"{name} is active; its window of {rfc3339(due_at)} is not decided yet."
    until = length(due_at - facts.now)
    return f"{name} is active; its next window is {rfc3339(due_at)}, in {until}."


def _after_summary(facts: Facts, decisions: Sequence[DecisionView]) -> str:
    name = facts.trigger.name
    match state_of(facts.trigger, facts.timing):
        case "paused":
            return command("trigger", "resume", name)
        case "broken" | "disabled":
            return command("trigger", "show", name)
        case "active" if decisions:
            return decisions[0].next_command
        case _:
            return command("preview", name)


def _fire_line(name: str, event: Event) -> DecisionView:
    if event.window is None:
        return event_line(event)
    late = f"{length(event.late_by)} late" if event.late_by >= SECOND else "on time"
    words = f"{late}; {counted(event.folded)} folded into it" if event.folded != 0 else late
    return DecisionView(
        at=(at := rfc3339(event.window)),
        verdict="fired",
        words=words,
        event=show("evt", event.id),
        next_command=command("explain", name, at),
    )


def event_line(event: Event) -> DecisionView:
    """Return a fire that no window made."""
    return DecisionView(
        at=rfc3339(event.accepted_at),
        verdict="fired",
        words=f"by {event.actor}" if event.actor else "",
        event=(shown := show("evt", event.id)),
        next_command=command("event", "show", shown),
    )


def _span_line(name: str, row: SpanRow) -> DecisionView:
    why = SKIPPED_BECAUSE.get(row.reason, row.reason)
    words = f"{counted(row.count)} from {rfc3339(row.oldest)} on: {why}"
    at = rfc3339(row.newest)
    return DecisionView(
        at=at, verdict="skipped", words=words, next_command=command("explain", name, at)
    )


def counted(count: int | None) -> str:
    if count is None:
        return f"more than {COUNTED} windows"
    return f"{count} window{'' if count == 1 else 's'}"
