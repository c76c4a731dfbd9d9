"""The statements that store the timing of schedules in a change of config."""

from __future__ import annotations

from importlib.metadata import version

import apsw

from tinyforge.errors import Conflict
from tinyforge.store.port import WindowsRepeated
from tinyforge.store.sqlite.parts import ask, text
from tinyforge.store.timings import TimingRows, fire_row

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


class StoredTimings(TimingRows):
    """Timing, epochs, skips and fires of one change, on their way into the file."""

    def check(self, db: apsw.Connection) -> None:
        if not self.before:
            return
        found = ask(db, UNMOVED, (text(self.before),))[0][0]
        if found != len(self.before):
            raise Conflict("a schedule moved since it was read")

    def store(self, db: apsw.Connection) -> None:
        if self.begun and (used := dict(ask(db, USED_EPOCHS, (text(self.begun),)))):
            self.begin_after(used)
        if self.specs:
            db.execute(PUT_SPECS, (text(self.specs),))
        if self.timings:
            db.execute(PUT_TIMINGS, (text(self.timings),))
        if self.epochs:
            db.execute(PUT_EPOCHS, (text(self.epochs), version("tzdata")))
        if self.spans:
            db.execute(PUT_SPANS, (text(self.spans), self.now))
        if self.events:
            try:
                db.execute(PUT_FIRES, (text([fire_row(e) for e in self.events]), self.now))
            except apsw.ConstraintError as problem:
                fired = [event.trigger_id for event in self.events]
                raise WindowsRepeated(fired) from problem
