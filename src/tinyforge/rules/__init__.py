"""Match rules: which changes a binding deploys, and why not the others.

Pure: a rule is compiled once, then asked about each event.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tinyforge.changes import EVENTS, Change
from tinyforge.kinds import Match, Matcher
from tinyforge.model import Event, Json
from tinyforge.rules.keys import event_of, known_files, why_unknown
from tinyforge.rules.reading import Reading, Readings
from tinyforge.rules.rule import Rule, RuleReader
from tinyforge.rules.words import shown

MOST_REASONS = 3  # of an event with many changes

_readings = Readings()


def compile_rule(
    rule: Json,
    fills: Collection[str],
    usual_events: Sequence[str],
    sends: Sequence[str] = EVENTS,
) -> Matcher:
    """Return the matcher of *rule* for a kind whose changes can answer the keys in *fills*.

    They are of the events in *sends*, and of those in *usual_events* where a rule names none.

    Raises ValueError with a line of `field: what; the fix` for everything that is wrong. The
    matcher names the last change that fits; it raises MatchFailed where `when` has no answer.
    """
    reader = RuleReader(rule, fills, usual_events, sends)
    compiled = reader.read()
    if reader.mistakes:
        raise ValueError("\n".join(reader.mistakes))

    def match(event: Event) -> Match:
        return _decide(compiled, _readings.of(event.facts, usual_events[0]))

    return match


def _decide(rule: Rule, reading: Reading) -> Match:
    if reading.problem:
        return Match(False, reading.problem)
    reasons: dict[str, None] = {}
    for place in reversed(range(len(reading.changes))):
        reason = _why_not(rule, reading, place)
        if not reason:
            return Match(True, _matched(rule, reading, place), place)
        reasons[reason] = None
    return Match(False, _unmatched(list(reasons), len(reading.changes)))


def _why_not(rule: Rule, reading: Reading, place: int) -> str:
    change = reading.changes[place]
    for test in rule.tests:
        if reason := test.why_not(change):
            return reason
    return rule.condition.why_not(reading, place) if rule.condition else ""


def _matched(rule: Rule, reading: Reading, place: int) -> str:
    change, count = reading.changes[place], len(reading.changes)
    which = f" (change {place + 1} of {count})" if count > 1 else ""
    reason = f"{_called(change)} matched{which}"
    if rule.sees_files and known_files(change) is None:
        return f"{reason}; files are unknown ({why_unknown(change)}), so paths match"
    return reason


def _unmatched(reasons: Sequence[str], changes: int) -> str:
    if not changes:
        return "it changed nothing"
    text = "; ".join(reasons[:MOST_REASONS]) + ("; …" if len(reasons) > MOST_REASONS else "")
    return f"none of {changes} changes matched: {text}" if changes > 1 else text


def _called(change: Change) -> str:
    name = change.tag or change.branch or change.ref or change.image or change.repository
    return f"{event_of(change)} {shown(name)}" if name else event_of(change)
