"""What rules make of one delivery. Pure: nothing is proved, stored or deployed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, assert_never

from msgspec import Struct

from tinyforge.changes import Change
from tinyforge.deliveries import Accepted, Delivery, Ignored, Receives, Refused
from tinyforge.engine.facts import facts_of
from tinyforge.engine.payloads import PAYLOAD
from tinyforge.errors import MatchFailed
from tinyforge.inbound.body import json_or_form_of
from tinyforge.kinds import Match, Matcher
from tinyforge.model import Event, EventId, Json, Outcome, TriggerId
from tinyforge.operations.views import View

Verdict: TypeAlias = Literal["accepted", "ignored", "refused"]
TOO_LARGE = "what it changed is too large to be kept"


class Candidate(Struct, frozen=True, kw_only=True):
    """A binding whose rule is tried."""

    binding: str
    workload: str
    matcher: Matcher
    enabled: bool = True


class TriedView(View, frozen=True, kw_only=True):
    """*change*: the place of the one that would be deployed."""

    binding: str
    workload: str
    outcome: str
    reason: str
    change: int | None = None


class MatchView(View, frozen=True, kw_only=True):
    """What a kind reads in a delivery, and each binding's answer to it."""

    kind: str
    verdict: Verdict
    reason: str = ""
    delivery_id: str = ""
    changes: Sequence[Change] = ()
    results: Sequence[TriedView] = ()

    @property
    def is_matched(self) -> bool:
        return any(one.outcome == Outcome.MATCHED for one in self.results)


def try_rules(
    name: str, kind: Receives, delivery: Delivery, candidates: Sequence[Candidate]
) -> MatchView:
    """Read *delivery* as *kind* does and hold every candidate against it."""
    found = kind.read(delivery)
    match found:
        case Refused(status=status, because=because):
            return MatchView(kind=name, verdict="refused", reason=f"{because} ({status})")
        case Ignored(because=because, delivery_id=identity):
            return MatchView(kind=name, verdict="ignored", reason=because, delivery_id=identity)
        case Accepted(changes=changes):
            facts = facts_of(changes)
            if facts is None:
                return MatchView(kind=name, verdict="refused", reason=TOO_LARGE)
            event = _event(facts, delivery)
            return MatchView(
                kind=name,
                verdict="accepted",
                delivery_id=found.delivery_id,
                changes=changes,
                results=[_tried(one, event) for one in candidates],
            )
    assert_never(found)


def _event(facts: Json, delivery: Delivery) -> Event:
    return Event(
        id=EventId(0),
        trigger_id=TriggerId(0),
        accepted_at=delivery.at,
        facts={**facts, PAYLOAD: _payload(delivery)},
    )


def _payload(delivery: Delivery) -> object:
    payload = json_or_form_of(delivery) if delivery.body else {}
    return {} if isinstance(payload, Refused) else payload


def _tried(candidate: Candidate, event: Event) -> TriedView:
    outcome, verdict = _outcome(candidate, event)
    return TriedView(
        binding=candidate.binding,
        workload=candidate.workload,
        outcome=outcome,
        reason=verdict.reason,
        change=verdict.change,
    )


def _outcome(candidate: Candidate, event: Event) -> tuple[Outcome, Match]:
    if not candidate.enabled:
        return Outcome.DISABLED, Match(False, "the binding is disabled")
    try:
        verdict = candidate.matcher(event)
    except MatchFailed as problem:
        return Outcome.MATCH_FAILED, Match(False, str(problem))
    except Exception as problem:  # noqa: BLE001 - plugin code; its siblings are still to be shown
        return Outcome.MATCH_FAILED, Match(False, f"{type(problem).__name__}: {problem}")
    return (Outcome.MATCHED if verdict.deploy else Outcome.NOT_MATCHED), verdict
