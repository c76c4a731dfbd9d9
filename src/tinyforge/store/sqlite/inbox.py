"""What came to endpoints: stored with its events in one transaction for all that came together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import apsw

from tinyforge.clock import Moment
from tinyforge.errors import Conflict, NotFound, StoreUnavailable
from tinyforge.ids import show
from tinyforge.model import DeliveryId, Event, EventId, Json
from tinyforge.store import arrivals as arriving
from tinyforge.store.arrivals import DELIVERY_COLUMNS, MOST_DECISIONS, Key, Known, Sorted
from tinyforge.store.port import Arrival, Brought, Decision, DeliveryFilter, DeliveryRow, Received
from tinyforge.store.rows import event_of
from tinyforge.store.sqlite.hot import EVENT_COLUMNS, storing
from tinyforge.store.sqlite.parts import RETRIES, Parts, ask, text

SMALL = 64 * 1024  # bytes of a body; larger ones have a statement each

DEPLOYED = "EXISTS (SELECT 1 FROM runs r WHERE r.event_id = e.id)"
KNOWN_BY = f"""
d.id, d.digest, d.fate, d.reason, d.decided_at, d.event_id, e.fanned_at IS NOT NULL, {DEPLOYED},
  (SELECT count(*) FROM decisions WHERE of_id = d.id)"""  # noqa: S608 - our own condition
KNOWN = f"""
SELECT d.trigger_id, d.key, {KNOWN_BY} FROM jsonb_each(?1) k
CROSS JOIN deliveries d ON d.trigger_id = k.value ->> 0 AND d.key = k.value ->> 1
LEFT JOIN events e ON e.id = d.event_id"""  # noqa: S608 - our own columns
# Events whose delivery a hand took out.
KNOWN_EVENTS = f"""
SELECT e.trigger_id, e.key, 0, NULL, 'accepted', NULL, e.accepted_at, e.id, e.fanned_at IS NOT NULL,
  {DEPLOYED}, 0 FROM jsonb_each(?1) k
CROSS JOIN events e ON e.trigger_id = k.value ->> 0 AND e.key = k.value ->> 1"""  # noqa: S608 - our own columns
SAME = f"""
SELECT c.trigger_id, c.content, {KNOWN_BY} FROM jsonb_each(?1) k
CROSS JOIN contents c ON c.trigger_id = k.value ->> 0 AND c.content = k.value ->> 1
JOIN deliveries d ON d.id = c.delivery_id LEFT JOIN events e ON e.id = d.event_id
WHERE c.until_at > ?2"""  # noqa: S608 - our own columns
STORE = f"""
INSERT INTO deliveries({DELIVERY_COLUMNS})
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
FROM jsonb_each(?1) WHERE true ON CONFLICT DO NOTHING"""  # noqa: S608 - our own columns
BODIES = """
INSERT INTO bodies(delivery_id, at, bytes, packed)
SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3) FROM jsonb_each(?1)"""
BODY = "INSERT INTO bodies(delivery_id, at, bytes, packed) VALUES (?, ?, ?, ?)"
CONTENTS = """
INSERT INTO contents(trigger_id, content, until_at, delivery_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?1)
WHERE true ON CONFLICT DO UPDATE
SET until_at = excluded.until_at, delivery_id = excluded.delivery_id
WHERE contents.until_at <= ?2"""
ENDED = """
INSERT INTO decisions(of_id, n, decided_at, fate, reason)
SELECT value ->> 0, value ->> 4, value ->> 5, value ->> 6, value ->> 7 FROM jsonb_each(?1)"""
RETAKEN = """
UPDATE deliveries SET fate = b.fate, reason = b.reason, event_id = b.event_id, decided_at = ?2
FROM (SELECT value ->> 0 AS id, value ->> 1 AS fate, value ->> 2 AS reason, value ->> 3 AS event_id
  FROM jsonb_each(?1)) b WHERE deliveries.id = b.id AND deliveries.event_id IS NULL"""

UNDEPLOYED = f"""
SELECT (SELECT count(*) FROM decisions WHERE of_id = e.id) FROM events e
WHERE e.id = ? AND e.fanned_at IS NOT NULL AND NOT {DEPLOYED}"""  # noqa: S608 - our own columns
KEEP_DECISION = """
INSERT INTO decisions(of_id, n, decided_at, fate, facts)
SELECT id, ?2, fanned_at, 'accepted', nullif(facts, ?3) FROM events WHERE id = ?1"""
KEEP_RESULTS = """
INSERT INTO earlier_results(event_id, n, binding_id, outcome, reason)
SELECT event_id, ?2, binding_id, outcome, reason FROM results WHERE event_id = ?1"""
DROP_RESULTS = "DELETE FROM results WHERE event_id = ?1"
REOPEN = """
UPDATE events SET fanned_at = NULL, facts = ?2,
  revision_id = (SELECT t.revision_id FROM triggers t WHERE t.id = trigger_id) WHERE id = ?1"""

OF_TRIGGERS = """
trigger_id IN
  (SELECT id FROM triggers WHERE name IN (SELECT value FROM json_each(?)))"""
DELIVERY = f"SELECT {DELIVERY_COLUMNS} FROM deliveries"  # noqa: S608 - our own columns
OF_EVENTS = """
SELECT event_id, id FROM deliveries
WHERE event_id IN (SELECT value FROM json_each(?)) AND fate = 'accepted'"""
GET_BODIES = """
SELECT d.id, d.headers, b.packed FROM deliveries d JOIN bodies b ON b.delivery_id = d.id
WHERE d.id IN (SELECT value FROM json_each(?))"""
DECISIONS = """
SELECT of_id, n, decided_at, fate, reason, facts FROM decisions WHERE of_id IN (?1, ?2)
ORDER BY decided_at, n"""
EARLIER = """
SELECT event_id, n, binding_id, outcome, reason FROM earlier_results WHERE event_id = ?
ORDER BY n, binding_id"""


class ArrivedBefore(Conflict):
    """Something was stored meanwhile that these must know of."""


class InboxRows:
    _parts: Parts

    async def receive(self, arrivals: Sequence[Arrival], now: Moment) -> list[Received]:
        for _ in range(RETRIES):
            found = self._sorted(arrivals, now)
            try:
                await self._parts.writer.submit(_storing(found, now))
            except ArrivedBefore:
                continue
            return found.received
        raise StoreUnavailable("others kept taking the same deliveries")

    def _sorted(self, arrivals: Sequence[Arrival], now: Moment) -> Sorted:
        """Look for what came before, in the loop's thread: a look is short, and mostly in vain."""
        look, keys = self._parts.look, arriving.keys_of(arrivals)
        known: dict[Key, Known] = {}
        if keys:
            wanted = (text(keys),)
            known = arriving.by_key(chain(look(KNOWN_EVENTS, wanted), look(KNOWN, wanted)))
        conflicts = arriving.conflicts_of(arrivals, known)
        if conflicts:
            known |= arriving.by_key(look(KNOWN, (text(conflicts),)))
        contents = arriving.contents_of(arrivals)
        same = arriving.by_key(look(SAME, (text(contents), now))) if contents else {}
        return arriving.Sorter(known, same, self._parts.ids, now).take(arrivals)

    async def reopen(self, event_id: EventId, facts: Json, now: Moment) -> Event | None:  # noqa: ARG002 - others keep it
        return await self._parts.writer.submit(lambda db: _reopen(db, event_id, text(facts)))

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        given = {
            "trigger_id = ?": wanted.trigger_id,
            "fate = ?": None if wanted.fate is None else wanted.fate.value,
            "id < ?": wanted.before,
            OF_TRIGGERS: None if wanted.among is None else text(sorted(wanted.among)),
        }
        asked = {condition: value for condition, value in given.items() if value is not None}
        where = f"WHERE {' AND '.join(asked)}" if asked else ""
        values = (*asked.values(), wanted.limit)
        query = f"{DELIVERY} {where} ORDER BY id DESC LIMIT ?"
        rows = await self._parts.read(lambda db: ask(db, query, values))
        return list(map(arriving.delivery_of, rows))

    async def delivery(self, number: DeliveryId) -> DeliveryRow:
        rows = await self._parts.read(lambda db: ask(db, f"{DELIVERY} WHERE id = ?", (number,)))
        if not rows:
            raise NotFound("delivery", show("dlv", number))
        return arriving.delivery_of(rows[0])

    async def deliveries_of(self, event_ids: Sequence[EventId]) -> dict[EventId, DeliveryId]:
        rows = await self._parts.read(lambda db: ask(db, OF_EVENTS, (text(list(event_ids)),)))
        return {EventId(event): DeliveryId(number) for event, number in rows}

    async def brought(self, numbers: Sequence[DeliveryId]) -> dict[DeliveryId, Brought]:
        wanted = text(list(numbers))
        return await self._parts.read(
            lambda db: arriving.brought_of(ask(db, GET_BODIES, (wanted,)))
        )

    async def decisions(self, number: DeliveryId, event_id: EventId | None) -> list[Decision]:
        def query(db: apsw.Connection) -> list[Decision]:
            rows = ask(db, DECISIONS, (number, event_id))
            return arriving.decisions_of(rows, ask(db, EARLIER, (event_id,)))

        return await self._parts.read(query)


def _storing(found: Sorted, now: Moment) -> Callable[[apsw.Connection], None]:
    """Turn rows into JSON here, so that the writer only executes."""
    events = storing(found.events, now) if found.events else None
    deliveries = text(found.deliveries)
    small = text([(*row[:3], row[3].hex()) for row in found.bodies if row[2] <= SMALL])
    large = [row for row in found.bodies if row[2] > SMALL]
    contents, retaken = text(found.contents), text(found.retaken)

    def work(db: apsw.Connection) -> None:
        if events is not None and len(events(db)) != len(found.events):
            raise ArrivedBefore
        if found.deliveries:
            _all(db, STORE, (deliveries,), len(found.deliveries))
            db.execute(BODIES, (small,))
            for row in large:
                db.execute(BODY, row)
        if found.contents:
            _all(db, CONTENTS, (contents, now), len(found.contents))
        if found.retaken:
            _all(db, RETAKEN, (retaken, now), len(found.retaken))
            db.execute(ENDED, (retaken,))

    return work


def _all(db: apsw.Connection, statement: str, values: tuple[object, ...], rows: int) -> None:
    db.execute(statement, values)
    if db.changes() != rows:
        raise ArrivedBefore


def _reopen(db: apsw.Connection, event_id: EventId, facts: str) -> Event | None:
    found = ask(db, UNDEPLOYED, (event_id,))
    if not found or found[0][0] >= MOST_DECISIONS:
        return None
    db.execute(KEEP_DECISION, (event_id, found[0][0], facts))
    db.execute(KEEP_RESULTS, (event_id, found[0][0]))
    db.execute(DROP_RESULTS, (event_id,))
    db.execute(REOPEN, (event_id, facts))
    query = f"SELECT {EVENT_COLUMNS} FROM events WHERE id = ?"  # noqa: S608 - our own columns
    return event_of(ask(db, query, (event_id,))[0])
