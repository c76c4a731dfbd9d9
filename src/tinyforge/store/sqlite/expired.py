"""Deliveries and their bodies that are kept no longer: found in the reader, deleted in batches."""

from __future__ import annotations

import apsw

from tinyforge.clock import Moment
from tinyforge.store.expired import Expired, first_body_kept, first_kept
from tinyforge.store.port import Limits
from tinyforge.store.sqlite.parts import ask, text

OLD_BODIES = """
SELECT delivery_id, bytes FROM bodies INDEXED BY body_age
WHERE at < ?1 ORDER BY at LIMIT ?2"""
ALL_BYTES = "SELECT coalesce(sum(bytes), 0) FROM bodies INDEXED BY body_age"
OLDEST_BODIES = """
SELECT delivery_id, bytes FROM bodies INDEXED BY body_age ORDER BY at LIMIT ?"""
OLD_DELIVERIES = """
SELECT d.id FROM deliveries d
WHERE d.id < coalesce(
    (SELECT id FROM deliveries WHERE received_at >= ?1 ORDER BY id LIMIT 1), 9223372036854775807)
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.id = d.event_id)
ORDER BY d.id LIMIT ?2"""
DELETE_BODIES = "DELETE FROM bodies WHERE delivery_id IN (SELECT value FROM json_each(?))"
DELETE_DECISIONS = "DELETE FROM decisions WHERE of_id IN (SELECT value FROM json_each(?))"
DELETE_DELIVERIES = "DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?))"
DELETE_CONTENTS = "DELETE FROM contents WHERE until_at <= ?"


def expired(db: apsw.Connection, keep: Limits, now: Moment, most: int) -> Expired:
    """Return the oldest that are kept no longer, at most so many of each."""
    rows = ask(db, OLD_DELIVERIES, (first_kept(keep, now), most))
    return Expired(_bodies(db, keep, now, most), [row[0] for row in rows])


def _bodies(db: apsw.Connection, keep: Limits, now: Moment, most: int) -> list[tuple[int, int]]:
    old = ask(db, OLD_BODIES, (first_body_kept(keep, now), most))
    if old:
        return [(number, size) for number, size in old]
    excess = ask(db, ALL_BYTES)[0][0] - keep.body_bytes
    chosen: list[tuple[int, int]] = []
    for number, size in ask(db, OLDEST_BODIES, (most,)) if excess > 0 else ():
        if excess <= 0:
            break
        excess -= size
        chosen.append((number, size))
    return chosen


def delete(db: apsw.Connection, gone: Expired, now: Moment) -> None:
    deliveries = text(gone.deliveries)
    db.execute(DELETE_BODIES, (text([number for number, _ in gone.bodies]),))
    for statement in (DELETE_BODIES, DELETE_DECISIONS, DELETE_DELIVERIES):
        db.execute(statement, (deliveries,))
    db.execute(DELETE_CONTENTS, (now,))
