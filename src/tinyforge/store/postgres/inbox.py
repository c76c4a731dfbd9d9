"""What came to endpoints: stored with its events in one transaction for all that came together.

Replicas that take the same at once wait for each other at the keys, which are stored in their
order; whoever comes second starts over, and knows it then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain

import asyncpg

from tinyforge.clock import Moment
from tinyforge.errors import NotFound, StoreUnavailable
from tinyforge.ids import show
from tinyforge.model import DeliveryId, Event, EventId, Json
from tinyforge.store import arrivals as arriving
from tinyforge.store.arrivals import DELIVERY_COLUMNS, MOST_DECISIONS, Key, Known, Sorted
from tinyforge.store.port import Arrival, Brought, Decision, DeliveryFilter, DeliveryRow, Received
from tinyforge.store.postgres.connection import Session, text
from tinyforge.store.postgres.hot import EVENT_COLUMNS, columns, storing
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.statements import arrays
from tinyforge.store.rows import event_of

ATTEMPTS = 10
DEPLOYED = "EXISTS (SELECT 1 FROM runs r WHERE r.event_id = e.id)"
KNOWN_BY = f"""
d.id, d.digest, d.fate, d.reason, d.decided_at, d.event_id, (e.fanned_at IS NOT NULL)::int,
  ({DEPLOYED})::int, (SELECT count(*) FROM decisions WHERE of_id = d.id)"""  # noqa: S608 - our own condition
WANTED = arrays(1, "of", "key text")
KNOWN = f"""
SELECT d.trigger_id, d.key, {KNOWN_BY} FROM {WANTED}
JOIN deliveries d ON d.trigger_id = b.of AND d.key = b.key
LEFT JOIN events e ON e.id = d.event_id"""  # noqa: S608 - our own columns
# Events whose delivery a hand took out.
KNOWN_EVENTS = f"""
SELECT e.trigger_id, e.key, 0, NULL, 'accepted', NULL, e.accepted_at, e.id,
  (e.fanned_at IS NOT NULL)::int, ({DEPLOYED})::int, 0
FROM {WANTED} JOIN events e ON e.trigger_id = b.of AND e.key = b.key"""  # noqa: S608 - our own columns
SAME = f"""
SELECT c.trigger_id, c.content, {KNOWN_BY} FROM {WANTED}
JOIN contents c ON c.trigger_id = b.of AND c.content = b.key
JOIN deliveries d ON d.id = c.delivery_id LEFT JOIN events e ON e.id = d.event_id
WHERE c.until_at > $3"""  # noqa: S608 - our own columns
ROW = (
    *("id", "trigger_id", "key text", "received_at", "decided_at", "fate text", "reason text"),
    *("event_id", "digest text", "bytes", "source text", "secret integer", "headers text"),
)
STORE = f"""
INSERT INTO deliveries({DELIVERY_COLUMNS}) SELECT * FROM {arrays(1, *ROW)}
ORDER BY b.trigger_id, b.key ON CONFLICT DO NOTHING"""  # noqa: S608 - our own columns
BODIES = f"""
INSERT INTO bodies(delivery_id, at, bytes, packed)
SELECT * FROM {arrays(1, "id", "at", "size", "packed bytea")}"""  # noqa: S608 - our own columns
CONTENTS = f"""
INSERT INTO contents(trigger_id, content, until_at, delivery_id)
SELECT * FROM {arrays(2, "of", "content text", "until_at", "delivery")} ORDER BY 1, 2
ON CONFLICT (trigger_id, content) DO UPDATE
SET until_at = excluded.until_at, delivery_id = excluded.delivery_id
WHERE contents.until_at <= $1"""  # noqa: S608 - our own columns
HOLD = """
SELECT id FROM deliveries WHERE id = ANY($1::bigint[]) AND event_id IS NULL
ORDER BY id FOR UPDATE"""
ENDED = f"""
INSERT INTO decisions(of_id, n, decided_at, fate, reason)
SELECT * FROM {arrays(1, "id", "n", "decided_at", "fate text", "reason text")}
ON CONFLICT DO NOTHING"""  # noqa: S608 - our own columns
RETAKEN = f"""
UPDATE deliveries d SET fate = b.fate, reason = b.reason, event_id = b.event_id, decided_at = $1
FROM {arrays(2, "id", "fate text", "reason text", "event_id")} WHERE d.id = b.id"""  # noqa: S608 - our own columns

HOLD_EVENT = """
SELECT id FROM events WHERE id = $1 AND fanned_at IS NOT NULL FOR UPDATE"""
UNDEPLOYED = f"""
SELECT (SELECT count(*) FROM decisions WHERE of_id = e.id) FROM events e
WHERE e.id = $1 AND e.fanned_at IS NOT NULL AND NOT {DEPLOYED}"""  # noqa: S608 - our own columns
KEEP_DECISION = """
INSERT INTO decisions(of_id, n, decided_at, fate, facts)
SELECT id, $2, fanned_at, 'accepted', nullif(facts, $3) FROM events WHERE id = $1"""
KEEP_RESULTS = """
INSERT INTO earlier_results(event_id, n, binding_id, outcome, reason)
SELECT event_id, $2, binding_id, outcome, reason FROM results WHERE event_id = $1"""
DROP_RESULTS = "DELETE FROM results WHERE event_id = $1"
REOPEN = f"""
UPDATE events SET fanned_at = NULL, facts = $2,
  revision_id = (SELECT t.revision_id FROM triggers t WHERE t.id = trigger_id) WHERE id = $1
RETURNING {EVENT_COLUMNS}"""  # noqa: S608 - our own columns

DELIVERY = f"SELECT {DELIVERY_COLUMNS} FROM deliveries"  # noqa: S608 - our own columns
FIND = f"""
{DELIVERY} WHERE ($1::bigint IS NULL OR trigger_id = $1) AND ($2::text IS NULL OR fate = $2)
  AND ($3::bigint IS NULL OR id < $3)
  AND ($5::text[] IS NULL
    OR trigger_id IN (SELECT id FROM triggers WHERE name = ANY($5::text[])))
ORDER BY id DESC LIMIT $4"""  # noqa: S608 - our own columns
OF_EVENTS = """
SELECT event_id, id FROM deliveries WHERE event_id = ANY($1::bigint[]) AND fate = 'accepted'"""
GET_BODIES = """
SELECT d.id, d.headers, b.packed FROM deliveries d JOIN bodies b ON b.delivery_id = d.id
WHERE d.id = ANY($1::bigint[])"""
DECISIONS = """
SELECT of_id, n, decided_at, fate, reason, facts FROM decisions WHERE of_id = ANY($1::bigint[])
ORDER BY decided_at, n"""
EARLIER = """
SELECT event_id, n, binding_id, outcome, reason FROM earlier_results WHERE event_id = $1
ORDER BY n, binding_id"""


class _Collided(Exception):
    """Another replica stored some of it meanwhile."""


class InboxRows:
    _parts: Parts

    async def receive(self, arrivals: Sequence[Arrival], now: Moment) -> list[Received]:
        receiving = _Receiving(arrivals, self._parts, now)
        for _ in range(ATTEMPTS):
            try:
                return await self._parts.database.write(receiving.work)
            except (_Collided, asyncpg.UniqueViolationError):
                continue
        raise StoreUnavailable("other replicas kept taking the same deliveries")

    async def reopen(self, event_id: EventId, facts: Json, now: Moment) -> Event | None:  # noqa: ARG002 - others keep it
        written = text(facts)

        async def work(session: Session) -> Event | None:
            if not await session.ask(HOLD_EVENT, event_id):
                return None
            found = await session.ask(UNDEPLOYED, event_id)
            if not found or found[0][0] >= MOST_DECISIONS:
                return None
            await session.do(KEEP_DECISION, event_id, found[0][0], written)
            await session.do(KEEP_RESULTS, event_id, found[0][0])
            await session.do(DROP_RESULTS, event_id)
            return event_of((await session.ask(REOPEN, event_id, written))[0])

        return await self._parts.database.write(work)

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        fate = None if wanted.fate is None else wanted.fate.value
        among = None if wanted.among is None else sorted(wanted.among)
        asked = (wanted.trigger_id, fate, wanted.before, wanted.limit, among)
        return list(map(arriving.delivery_of, await self._parts.database.ask(FIND, *asked)))

    async def delivery(self, number: DeliveryId) -> DeliveryRow:
        rows = await self._parts.database.ask(f"{DELIVERY} WHERE id = $1", number)
        if not rows:
            raise NotFound("delivery", show("dlv", number))
        return arriving.delivery_of(rows[0])

    async def deliveries_of(self, event_ids: Sequence[EventId]) -> dict[EventId, DeliveryId]:
        rows = await self._parts.database.ask(OF_EVENTS, list(event_ids))
        return {EventId(event): DeliveryId(number) for event, number in rows}

    async def brought(self, numbers: Sequence[DeliveryId]) -> dict[DeliveryId, Brought]:
        rows = await self._parts.database.ask(GET_BODIES, list(numbers))
        return await asyncio.to_thread(arriving.brought_of, rows)  # bodies are up to 64 MiB

    async def decisions(self, number: DeliveryId, event_id: EventId | None) -> list[Decision]:
        async def query(session: Session) -> list[Decision]:
            wanted = [number] if event_id is None else [number, event_id]
            rows = await session.ask(DECISIONS, wanted)
            return arriving.decisions_of(rows, await session.ask(EARLIER, event_id))

        return await self._parts.database.read(query)


class _Receiving:
    """Some arrivals, in one transaction."""

    def __init__(self, arrivals: Sequence[Arrival], parts: Parts, now: Moment) -> None:
        self._arrivals, self._parts, self._now = arrivals, parts, now
        self._keys = arriving.keys_of(arrivals)
        self._contents = arriving.contents_of(arrivals)

    async def work(self, session: Session) -> list[Received]:
        known = await self._known(session, self._keys)
        conflicts = arriving.conflicts_of(self._arrivals, known)
        if conflicts:
            known |= arriving.by_key(await session.ask(KNOWN, *columns(conflicts)))
        same: dict[Key, Known] = {}
        if self._contents:
            rows = await session.ask(SAME, *columns(self._contents), self._now)
            same = arriving.by_key(rows)
        sorter = arriving.Sorter(known, same, self._parts.ids, self._now)
        found = sorter.take(self._arrivals)
        await self._store(session, found)
        return found.received

    async def _known(self, session: Session, keys: Sequence[Key]) -> dict[Key, Known]:
        if not keys:
            return {}
        wanted = columns(keys)
        rows = chain(await session.ask(KNOWN_EVENTS, *wanted), await session.ask(KNOWN, *wanted))
        return arriving.by_key(rows)

    async def _store(self, session: Session, found: Sorted) -> None:
        if found.deliveries:
            stored = await session.do(STORE, *columns(found.deliveries))
            if stored != len(found.deliveries):
                raise _Collided
        if found.contents:
            stored = await session.do(CONTENTS, self._now, *columns(found.contents))
            if stored != len(found.contents):
                raise _Collided
        if found.retaken:
            await self._retake(session, found)
        if found.bodies:
            await session.do(BODIES, *columns(found.bodies))
        if found.events:
            stored_events = await storing(session, found.events, self._now)
            if len(stored_events) != len(found.events):
                raise _Collided

    async def _retake(self, session: Session, found: Sorted) -> None:
        held = await session.ask(HOLD, sorted({one.number for one in found.retaken}))
        if len(held) != len({one.number for one in found.retaken}):
            raise _Collided
        ended = [(r.number, r.n, r.decided_at, r.before, r.because) for r in found.retaken]
        if await session.do(ENDED, *columns(ended)) != len(ended):
            raise _Collided
        now_is = [(r.number, r.fate, r.reason, r.event_id) for r in found.retaken]
        await session.do(RETAKEN, self._now, *columns(now_is))
