"""The statements that store the timing of schedules in a change of config."""

from __future__ import annotations

from importlib.metadata import version

from tinyforge.errors import Conflict
from tinyforge.store.postgres.connection import Session, text
from tinyforge.store.postgres.statements import SPANS, unpacked
from tinyforge.store.timings import TimingRows, fire_row

UNMOVED = f"""
SELECT t.trigger_id FROM timing t JOIN {unpacked("id", "epoch", "decided")}
ON t.trigger_id = b.id AND t.epoch = b.epoch AND t.decided_until = b.decided
ORDER BY t.trigger_id FOR UPDATE OF t"""  # noqa: S608 - our own columns
USED_EPOCHS = """
SELECT trigger_id, max(epoch) FROM epochs WHERE trigger_id = ANY($1::bigint[])
GROUP BY trigger_id"""
PUT_SPECS = "INSERT INTO specs(text) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
TIMING = (
    "trigger_id",
    "due_at",
    "decided_until",
    "last_fired_at",
    "base",
    "opening",
    "epoch",
    "since",
    "paused_at",
    "disabled_at",
    "spec text",
    "revision_id",
)
PUT_TIMINGS = f"""
INSERT INTO timing(trigger_id, due_at, decided_until, last_fired_at, base, opening, epoch, since,
  paused_at, disabled_at, spec_id, revision_id)
SELECT b.trigger_id, b.due_at, b.decided_until, b.last_fired_at, b.base, b.opening, b.epoch,
  b.since, b.paused_at, b.disabled_at, s.id, b.revision_id
FROM {unpacked(*TIMING)} LEFT JOIN specs s ON s.text = b.spec
ON CONFLICT (trigger_id) DO UPDATE SET due_at = excluded.due_at,
  decided_until = excluded.decided_until, last_fired_at = excluded.last_fired_at,
  base = excluded.base, opening = excluded.opening, epoch = excluded.epoch, since = excluded.since,
  paused_at = excluded.paused_at, disabled_at = excluded.disabled_at, spec_id = excluded.spec_id,
  revision_id = coalesce(excluded.revision_id, timing.revision_id)"""  # noqa: S608 - our own columns
EPOCH = (
    "trigger_id",
    "epoch",
    "since",
    "base",
    "opening",
    "decided_from",
    "before_until",
    "spec text",
    "revision_id",
    "why text",
)
PUT_EPOCHS = f"""
INSERT INTO epochs(trigger_id, epoch, since, base, opening, decided_from, before_until, spec_id,
  revision_id, zone_data, why)
SELECT b.trigger_id, b.epoch, b.since, b.base, b.opening, b.decided_from, b.before_until, s.id,
  b.revision_id, $2::text, b.why
FROM {unpacked(*EPOCH)} LEFT JOIN specs s ON s.text = b.spec
ON CONFLICT (trigger_id, epoch) DO UPDATE SET since = excluded.since, base = excluded.base,
  opening = excluded.opening, decided_from = excluded.decided_from,
  before_until = excluded.before_until, spec_id = excluded.spec_id,
  revision_id = excluded.revision_id, zone_data = excluded.zone_data, why = excluded.why"""  # noqa: S608 - our own columns
PUT_SPANS = f"""{SPANS}
ON CONFLICT (trigger_id, epoch, from_at, reason) DO UPDATE SET until_at = excluded.until_at,
  count = excluded.count, revision_id = excluded.revision_id, decided_at = excluded.decided_at"""
FIRE = (
    "id",
    "trigger_id",
    "epoch",
    "window_at",
    "last_at",
    "folded",
    "folded_from",
    "revision_id",
)
PUT_FIRES = f"""
INSERT INTO events({", ".join(FIRE)}, accepted_at)
SELECT b.*, $2::bigint FROM {unpacked(*FIRE)}"""  # noqa: S608 - our own columns


class StoredTimings(TimingRows):
    """Timing, epochs, skips and fires of one change, on their way into the database."""

    async def check(self, session: Session) -> None:
        if not self.before:
            return
        if len(await session.ask(UNMOVED, text(self.before))) != len(self.before):
            raise Conflict("a schedule moved since it was read")

    async def store(self, session: Session) -> None:
        used: dict[int, int] = (
            dict(await session.ask(USED_EPOCHS, self.begun)) if self.begun else {}
        )
        if used:
            self.begin_after(used)
        if self.specs:
            await session.do(PUT_SPECS, self.specs)
        if self.timings:
            await session.do(PUT_TIMINGS, text(self.timings))
        if self.epochs:
            await session.do(PUT_EPOCHS, text(self.epochs), version("tzdata"))
        if self.spans:
            await session.do(PUT_SPANS, text(self.spans), self.now)
        if self.events:
            await session.do(PUT_FIRES, text([fire_row(e) for e in self.events]), self.now)
