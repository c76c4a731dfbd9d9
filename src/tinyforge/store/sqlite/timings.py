"""The timing of schedules in a change of config: their rows, epochs, skips and fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

import apsw
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.errors import Conflict
from tinyforge.model import Event, EventId, RevisionId
from tinyforge.store.port import TimingWrite, WindowsRepeated
from tinyforge.store.sqlite.parts import ask, text

UNMOVED = """
SELECT count(*) FROM jsonb_each(?) b JOIN timing t
ON t.trigger_id = b.value ->> 0 AND t.epoch = b.value ->> 1 AND t.decided_until = b.value ->> 2"""
USED_EPOCHS = """
SELECT trigger_id, max(epoch) FROM epochs WHERE trigger_id IN (SELECT value FROM json_each(?))
GROUP BY trigger_id"""
PUT_SPECS = "INSERT OR IGNORE INTO specs(text) SELECT value FROM json_each(?)"
PUT_TIMINGS = """
INSERT INTO timing(trigger_id, due_at, decided_until, last_fired_at, base, opening, epoch, since,
  paused_at, disabled_at, spec_id, revision_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8, value ->> 9, (SELECT id FROM specs WHERE text = value ->> 10),
  value ->> 11 FROM jsonb_each(?) WHERE true
ON CONFLICT(trigger_id) DO UPDATE SET due_at = excluded.due_at,
  decided_until = excluded.decided_until, last_fired_at = excluded.last_fired_at,
  base = excluded.base, opening = excluded.opening, epoch = excluded.epoch, since = excluded.since,
  paused_at = excluded.paused_at, disabled_at = excluded.disabled_at, spec_id = excluded.spec_id,
  revision_id = coalesce(excluded.revision_id,
    CASE WHEN typeof(timing.revision_id) = 'integer' THEN timing.revision_id END)"""
PUT_EPOCHS = """
INSERT OR REPLACE INTO epochs(trigger_id, epoch, since, base, opening, decided_from,
  before_until, spec_id, revision_id, zone_data, why)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  (SELECT id FROM specs WHERE text = value ->> 7), value ->> 8, ?2, value ->> 9
FROM jsonb_each(?1)"""
PUT_SPANS = """
INSERT OR REPLACE INTO spans(trigger_id, epoch, from_at, until_at, reason, count, revision_id,
  decided_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ?2
FROM jsonb_each(?1)"""
PUT_FIRES = """
INSERT INTO events(id, trigger_id, epoch, window_at, accepted_at, last_at, folded, folded_from,
  revision_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2, value ->> 4, value ->> 5,
  value ->> 6, value ->> 7 FROM jsonb_each(?1)"""


class TimingRows:
    """Timing, epochs, skips and fires of one change."""

    def __init__(
        self,
        writes: Sequence[TimingWrite],
        revisions: Mapping[int, int],
        new_id: Callable[[], int],
        now: Moment,
    ) -> None:
        self._now = now
        self._writes, self._revisions, self._new_id = writes, revisions, new_id
        self._before = [(w.trigger_id, *w.before) for w in writes if w.before is not None]
        self._begun = [w.trigger_id for w in writes if w.before is None]
        self._specs = sorted({w.spec for w in writes if w.spec is not None})
        self._add_all({})

    def _add_all(self, used: Mapping[int, int]) -> None:
        """Make the rows; what begins anew goes on after the epochs it has *used*."""
        self._timings: list[tuple[object, ...]] = []
        self._epochs: list[tuple[object, ...]] = []
        self._spans: list[tuple[object, ...]] = []
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
        self._timings.append((trigger, *moments, *resting, write.spec, revision))
        if decision.why is not None:
            began = (trigger, s.epoch, s.since, s.base, s.opening, s.decided_until)
            ended = (decision.before_until, write.spec, revision)
            self._epochs.append((*began, *ended, decision.why))
        if decision.skipped is not None:
            span = decision.skipped.span
            reach = (trigger, decision.epoch, span.oldest, span.newest)
            self._spans.append((*reach, decision.skipped.reason, span.count, revision))
        if decision.fire is not None:
            self.events.append(_fired(write, EventId(self._new_id()), revision, self._now))

    def check(self, db: apsw.Connection) -> None:
        if not self._before:
            return
        found = ask(db, UNMOVED, (text(self._before),))[0][0]
        if found != len(self._before):
            raise Conflict("a schedule moved since it was read")

    def store(self, db: apsw.Connection) -> None:
        if self._begun and (used := dict(ask(db, USED_EPOCHS, (text(self._begun),)))):
            self._add_all(used)
        if self._specs:
            db.execute(PUT_SPECS, (text(self._specs),))
        if self._timings:
            db.execute(PUT_TIMINGS, (text(self._timings),))
        if self._epochs:
            db.execute(PUT_EPOCHS, (text(self._epochs), version("tzdata")))
        if self._spans:
            db.execute(PUT_SPANS, (text(self._spans), self._now))
        if self.events:
            try:
                db.execute(PUT_FIRES, (text([_fire_row(e) for e in self.events]), self._now))
            except apsw.ConstraintError as problem:
                fired = [event.trigger_id for event in self.events]
                raise WindowsRepeated(fired) from problem


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


def _fire_row(e: Event) -> tuple[object, ...]:
    key = (e.id, e.trigger_id, e.epoch, e.window)
    return (*key, e.last_fired_at, e.folded, e.folded_from, e.revision_id)
