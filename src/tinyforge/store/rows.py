"""Rows of the ledger to records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from tinyforge.model import (
    Attempt,
    BindingId,
    Event,
    EventId,
    Outcome,
    Result,
    RevisionId,
    Run,
    RunId,
    RunState,
    TriggerId,
    WorkloadId,
)
from tinyforge.store.port import EpochRow, FiredRow, SpanRow, Timing, TriggerHistory

Row: TypeAlias = tuple[Any, ...]  # of the ledger, which only we write

_facts = msgspec.json.Decoder(dict[str, object])


def event_of(row: Row) -> Event:
    """Build an event; asked for every run, so nothing is checked that we have written ourselves."""
    (number, trigger, accepted, epoch, window, key, folded, folded_from, last, facts) = row[:10]
    (actor, ruleless, revision, fanned, tries) = row[10:]
    return Event(
        id=number,
        trigger_id=trigger,
        accepted_at=accepted,
        epoch=epoch,
        window=window,
        key=key,
        folded=folded,
        folded_from=folded_from,
        last_fired_at=last,
        facts={} if facts is None else _facts.decode(facts),
        actor=actor,
        ruleless=bool(ruleless),
        revision_id=revision,
        fanned_at=fanned,
        tries=tries,
    )


RUN_COLUMNS = (
    "id, event_id, binding_id, workload_id, state, queued_at, ready_at, started_at, ended_at,"
    " attempt, owner, superseded_by, error"
)


def run_of(row: Row) -> Run:
    (number, event, binding, workload, state, queued, ready, started, ended, attempt) = row[:10]
    (owner, superseded_by, error) = row[10:]
    return Run(
        id=RunId(_int(number)),
        event_id=EventId(_int(event)),
        binding_id=BindingId(_int(binding)),
        workload_id=WorkloadId(_int(workload)),
        state=RunState(_int(state)),
        queued_at=_int(queued),
        ready_at=_int(ready),
        started_at=_maybe(started),
        ended_at=_maybe(ended),
        attempt=_int(attempt),
        owner=_maybe(owner),
        superseded_by=None if superseded_by is None else RunId(_int(superseded_by)),
        error=None if error is None else str(error),
    )


def attempt_of(row: Row) -> Attempt:
    run, number, owner, started, ended, outcome, error = row
    return Attempt(
        run_id=RunId(_int(run)),
        number=_int(number),
        owner=_maybe(owner),
        started_at=_int(started or 0),
        ended_at=_int(ended or 0),
        outcome=str(outcome),
        error=None if error is None else str(error),
    )


def epoch_of(row: Sequence[object]) -> EpochRow:
    (trigger, epoch, since, base, opening, decided_from, before_until) = row[:7]
    (spec, zone_data, why, revision) = row[7:]
    assert isinstance(trigger, int) and isinstance(epoch, int)  # noqa: S101, PT018 - narrows
    assert isinstance(since, int) and isinstance(base, int)  # noqa: S101, PT018 - narrows
    assert isinstance(decided_from, int)  # noqa: S101 - narrows
    return EpochRow(
        trigger_id=TriggerId(trigger),
        epoch=epoch,
        since=since,
        base=base,
        opening=opening if isinstance(opening, int) else None,
        decided_from=decided_from,
        before_until=before_until if isinstance(before_until, int) else None,
        spec=None if spec is None else str(spec),
        zone_data=None if zone_data is None else str(zone_data),
        why=str(why),
        revision_id=RevisionId(revision) if isinstance(revision, int) else None,
    )


def span_of(row: Sequence[object]) -> SpanRow:
    trigger, epoch, oldest, newest, reason, count, decided, revision = row
    assert isinstance(trigger, int) and isinstance(epoch, int)  # noqa: S101, PT018 - narrows
    assert isinstance(oldest, int) and isinstance(newest, int)  # noqa: S101, PT018 - narrows
    assert isinstance(decided, int)  # noqa: S101 - narrows
    return SpanRow(
        trigger_id=TriggerId(trigger),
        epoch=epoch,
        oldest=oldest,
        newest=newest,
        reason=str(reason),
        count=count if isinstance(count, int) else None,
        decided_at=decided,
        revision_id=RevisionId(revision) if isinstance(revision, int) else None,
    )


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a number was expected in the ledger, not {value!r}")
    return value


def _maybe(value: object) -> int | None:
    return value if isinstance(value, int) else None


def results_of(event_ids: Sequence[EventId], rows: Iterable[Row]) -> dict[EventId, list[Result]]:
    """Return the results of each event, in the order of *rows*."""
    found: dict[EventId, list[Result]] = {event_id: [] for event_id in event_ids}
    for event_id, binding_id, outcome, reason, run_id in rows:
        found[EventId(event_id)].append(
            Result(
                binding_id=BindingId(binding_id),
                outcome=Outcome(outcome),
                reason=reason or "",
                run_id=None if run_id is None else RunId(run_id),
            )
        )
    return found


class Page(NamedTuple):
    """All that is kept of some schedules, by the trigger's id or led by it."""

    timings: Mapping[int, Timing]
    names: Mapping[int, str]
    proved: Mapping[int, int]
    epochs: Sequence[Row]
    fired: Sequence[Row]
    spans: Sequence[Row]


def histories_of(ids: Sequence[TriggerId], page: Page) -> list[TriggerHistory]:
    epochs: defaultdict[int, list[EpochRow]] = defaultdict(list)
    for row in page.epochs:
        epochs[row[0]].append(epoch_of(row))
    fired: defaultdict[int, list[FiredRow]] = defaultdict(list)
    for trigger, number, *rest in page.fired:
        fired[trigger].append(FiredRow(EventId(number), *rest))
    spans: defaultdict[int, list[SpanRow]] = defaultdict(list)
    for row in page.spans:
        spans[row[0]].append(span_of(row))
    return [
        TriggerHistory(
            trigger_id=number,
            name=page.names.get(number, ""),
            timing=page.timings.get(number, Timing(trigger_id=number, state=None)),
            proved_from=page.proved.get(number),
            epochs=epochs[number],
            fired=fired[number],
            spans=spans[number],
        )
        for number in ids
    ]
