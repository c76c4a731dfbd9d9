"""Events and results of one batch before they are stored: pure, and the same for every store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from msgspec.structs import replace

from tinyforge.clock import SECOND, Micros, Moment
from tinyforge.ids import Ids
from tinyforge.model import MOST_TRIES, Event, EventDraft, EventId, Outcome, Result, RunId
from tinyforge.store.port import Dead, FanOutBatch, Matched, Unmatched

APART: Micros = 2 * SECOND
REASONS = {
    Outcome.SKIPPED_BUSY: "a run of the workload is queued or running, and its queue is `skip`",
    Outcome.SKIPPED_FULL: "1,000 runs of the workload are queued, the most that `every` keeps",
}


def drafted(ids: Ids, drafts: Sequence[EventDraft], now: Moment) -> list[Event]:
    """Return the events that drafts become; one without a key is like no other."""
    return [
        Event(
            id=EventId(number),
            trigger_id=draft.trigger_id,
            accepted_at=now,
            key=draft.key or f"m{number}",
            facts=draft.facts,
            actor=draft.actor,
            ruleless=draft.ruleless,
        )
        for number, draft in zip(ids.many(len(drafts), now), drafts, strict=True)
    ]


def results_of(
    batch: FanOutBatch, ids: Sequence[int], refused: Sequence[Unmatched]
) -> dict[EventId, list[Result]]:
    """Return every binding's result, of each event of the batch."""
    lines = chain(refused, batch.unmatched)
    not_queued = {(line.event_id, line.binding_id): line for line in lines}
    found: dict[EventId, list[Result]] = {event: [] for event in batch.events}
    for match, number in zip(batch.matched, ids, strict=True):
        if (match.event_id, match.binding_id) not in not_queued:
            found[match.event_id].append(_matched_result(match, RunId(number)))
    for line in not_queued.values():
        found[line.event_id].append(
            Result(binding_id=line.binding_id, outcome=line.outcome, reason=line.reason)
        )
    for results in found.values():
        results.sort(key=lambda result: result.binding_id)
    return found


def _matched_result(match: Matched, run_id: RunId) -> Result:
    reason = match.reason or "matched"
    return Result(
        binding_id=match.binding_id, outcome=Outcome.MATCHED, reason=reason, run_id=run_id
    )


def only(batch: FanOutBatch, left: frozenset[EventId]) -> FanOutBatch:
    return replace(
        batch,
        events=[event for event in batch.events if event in left],
        matched=[match for match in batch.matched if match.event_id in left],
        unmatched=[line for line in batch.unmatched if line.event_id in left],
    )


def apart(requeued: Sequence[Dead], now: Moment) -> list[tuple[Dead, Moment]]:
    """Say when each dead run may be tried again.

    The next death of some would be their last: they are tried apart, so that only one dies.
    """
    found, last = [], now
    for dead in sorted(requeued):
        ready_at = now
        if dead.deaths == MOST_TRIES - 1:
            ready_at, last = last, last + APART
        found.append((dead, ready_at))
    return found


def alone(results: Mapping[EventId, Sequence[Result]]) -> Sequence[Result]:
    """Return the results of a batch of one event."""
    return next(iter(results.values())) if len(results) == 1 else ()
