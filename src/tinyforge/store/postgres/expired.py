"""Deliveries and their bodies that are kept no longer: found, then deleted in batches."""

from __future__ import annotations

from tinyforge.clock import Moment
from tinyforge.store.expired import Expired, first_body_kept, first_kept
from tinyforge.store.port import Limits
from tinyforge.store.postgres.connection import Database, Session

OLD_BODIES = """
SELECT delivery_id, bytes FROM bodies WHERE at < $1 ORDER BY at LIMIT $2"""
EXCESS_BODIES = """
SELECT delivery_id, bytes FROM (
  SELECT delivery_id, bytes, sum(bytes) OVER (ORDER BY at DESC, delivery_id DESC) AS total
  FROM bodies) b
WHERE total > $1 ORDER BY delivery_id LIMIT $2"""
OLD_DELIVERIES = """
SELECT d.id FROM deliveries d
WHERE d.id < coalesce(
    (SELECT id FROM deliveries WHERE received_at >= $1 ORDER BY id LIMIT 1), 9223372036854775807)
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.id = d.event_id)
ORDER BY d.id LIMIT $2"""
DELETE_BODIES = "DELETE FROM bodies WHERE delivery_id = ANY($1::bigint[])"
DELETE_DECISIONS = "DELETE FROM decisions WHERE of_id = ANY($1::bigint[])"
DELETE_DELIVERIES = "DELETE FROM deliveries WHERE id = ANY($1::bigint[])"
DELETE_CONTENTS = "DELETE FROM contents WHERE until_at <= $1"


async def expired(database: Database, keep: Limits, now: Moment, most: int) -> Expired:
    """Return the oldest that are kept no longer, at most so many of each."""
    bodies = await database.ask(OLD_BODIES, first_body_kept(keep, now), most)
    if not bodies:
        bodies = await database.ask(EXCESS_BODIES, keep.body_bytes, most)
    rows = await database.ask(OLD_DELIVERIES, first_kept(keep, now), most)
    return Expired([(number, size) for number, size in bodies], [row[0] for row in rows])


async def delete(session: Session, gone: Expired, now: Moment) -> None:
    await session.do(DELETE_BODIES, [number for number, _ in gone.bodies])
    for statement in (DELETE_BODIES, DELETE_DECISIONS, DELETE_DELIVERIES):
        await session.do(statement, gone.deliveries)
    await session.do(DELETE_CONTENTS, now)
