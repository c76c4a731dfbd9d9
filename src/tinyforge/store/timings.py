"""The timing of schedules in a change of config: their rows, epochs, skips and fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.model import Event, EventId, RevisionId
from tinyforge.store.port import TimingWrite


class TimingRows:
    """Timing, epochs, skips and fires of one change."""

    def __init__(
        self,
        writes: Sequence[TimingWrite],
        revisions: Mapping[int, int],
        new_id: Callable[[], int],
        now: Moment,
    ) -> None:
        self.now = now
        self._writes, self._revisions, self._new_id = writes, revisions, new_id
        self.before = [(w.trigger_id, *w.before) for w in writes if w.before is not None]
        self.begun = [w.trigger_id for w in writes if w.before is None]
        self.specs = sorted({w.spec for w in writes if w.spec is not None})
        self.begin_after({})

    def begin_after(self, used: Mapping[int, int]) -> None:
        """Make the rows; what begins anew goes on after the epochs it has *used*."""
        self.timings: list[tuple[object, ...]] = []
        self.epochs: list[tuple[object, ...]] = []
        self.spans: list[tuple[object, ...]] = []
        self.events: list[Event] = []
        for write in self._writes:
            past = used.get(write.trigger_id, 0)
            self._add(_after(write, past) if past else write)

    def _add(self, write: TimingWrite) -> None:
        decision, trigger = write.decision, write.trigger_id
        revision = self._revisions.get(trigger) or write.revision_id
        s = decision.state
        moments = (decision.due_at, s.decided_until, s.last_fired_at, s.base, s.opening, s.epoch)
        resting = (s.since, s.paused_at, s.disabled_at)
        self.timings.append((trigger, *moments, *resting, write.spec, revision))
        if decision.why is not None:
            began = (trigger, s.epoch, s.since, s.base, s.opening, s.decided_until)
            ended = (decision.before_until, write.spec, revision)
            self.epochs.append((*began, *ended, decision.why))
        if decision.skipped is not None:
            span = decision.skipped.span
            reach = (trigger, decision.epoch, span.oldest, span.newest)
            self.spans.append((*reach, decision.skipped.reason, span.count, revision))
        if decision.fire is not None:
            self.events.append(_fired(write, EventId(self._new_id()), revision, self.now))


def _after(write: TimingWrite, past: int) -> TimingWrite:
    decision = write.decision
    state = replace(decision.state, epoch=decision.state.epoch + past)
    later = replace(decision, epoch=decision.epoch + past, state=state)
    return replace(write, decision=later)


def _fired(write: TimingWrite, number: EventId, revision: int | None, now: Moment) -> Event:
    decision, fire = write.decision, write.decision.fire
    assert fire is not None  # noqa: S101 - the caller looked
    return Event(
        id=number,
        trigger_id=write.trigger_id,
        accepted_at=now,
        epoch=decision.epoch,
        window=fire.window,
        folded=fire.folded.count if fire.folded else 0,
        folded_from=fire.folded.oldest if fire.folded else None,
        last_fired_at=decision.state.last_fired_at,
        revision_id=None if revision is None else RevisionId(revision),
    )


def fire_row(e: Event) -> tuple[object, ...]:
    key = (e.id, e.trigger_id, e.epoch, e.window)
    return (*key, e.last_fired_at, e.folded, e.folded_from, e.revision_id)
