"""The heartbeat: one statement on a connection of its own renews the lease and brings the news.

A NOTIFY of another replica only brings the next one forward, so a lost one costs no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress

import asyncpg

from tinyforge.clock import SECOND, Micros, Moment
from tinyforge.errors import NewerSchema, StoreUnavailable
from tinyforge.model import RunId
from tinyforge.store.port import Elsewhere, Known
from tinyforge.store.port.replicas import read_kinds
from tinyforge.store.postgres.connection import ENVIRONMENT, Line, Row, join
from tinyforge.store.postgres.house import House, News
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.registry import LAPSED, LEASE_SECONDS, TENDED, register
from tinyforge.store.postgres.statements import CHANNEL, HINT, LEFT

EVERY = 5.0  # seconds
AFTER_FAILURE = 1.0
BREATH = 0.05  # hints that come together are heard together
AFTER_NUDGE = 0.25  # under load there is always something to tell
TRUST: Micros = 10 * SECOND  # since the renewal was asked for: less than the lease
# An order and a limit keep it to an index also where statistics are old.
LOOKED_THROUGH = 1_000  # of the ready runs, for one whose workload is free
BEAT = f"""
WITH renewed AS (UPDATE servers SET lease_until = clock_timestamp() + interval '{LEASE_SECONDS} s',
    clock_off = coalesce($5, clock_off) WHERE replica = $2 AND instance = $1 RETURNING replica),
  done AS (DELETE FROM cancels c WHERE
    coalesce((SELECT r.state FROM runs r WHERE r.id = c.run_id), 0) NOT IN (2, 3)),
  moment AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
  ready AS MATERIALIZED (SELECT workload_id FROM runs
    WHERE state = 2 AND id > 0 AND ready_at <= (SELECT now FROM moment)
      AND workload_id <> ALL($6::bigint[]) ORDER BY event_id, id LIMIT {LOOKED_THROUGH}),
  asked AS MATERIALIZED (SELECT c.run_id, c.actor FROM cancels c, LATERAL
      (SELECT state, owner FROM runs WHERE id = c.run_id OFFSET 0) r
    WHERE r.state = 2 OR r.state = 3 AND r.owner = $1 ORDER BY c.run_id)
SELECT EXISTS (SELECT 1 FROM renewed), (SELECT now FROM moment),
  ARRAY(SELECT replica FROM servers WHERE lease_until > clock_timestamp() OR replica = $2
    ORDER BY replica),
  ARRAY(SELECT run_id FROM asked), ARRAY(SELECT actor FROM asked),
  EXISTS (SELECT 1 FROM ready WHERE NOT EXISTS
    (SELECT 1 FROM runs o WHERE o.workload_id = ready.workload_id AND o.state = 3 OFFSET 0))
    OR (SELECT count(*) FROM ready) = {LOOKED_THROUGH},
  (SELECT ready_at FROM runs WHERE state = 2 AND ready_at > queued_at
    AND ready_at > (SELECT now FROM moment) ORDER BY ready_at LIMIT 1),
  EXISTS (SELECT 1 FROM servers s WHERE {LAPSED})
    OR EXISTS (SELECT 1 FROM runs r WHERE r.state = 3
      AND NOT EXISTS (SELECT 1 FROM servers s WHERE {TENDED})),
  (SELECT e.id FROM events e WHERE {LEFT} ORDER BY e.id LIMIT 1) IS NOT NULL,
  ARRAY(SELECT trigger_kinds || ';' || workload_kinds FROM servers
    WHERE lease_until > clock_timestamp() AND instance <> $1 AND workload_kinds IS NOT NULL),
  (SELECT due_at FROM timing WHERE due_at IS NOT NULL ORDER BY due_at, trigger_id LIMIT 1),
  (SELECT value FROM marks WHERE name = 'high_water'),
  (SELECT value FROM marks WHERE name = 'generation'),
  (SELECT row_id FROM unplanned ORDER BY what, row_id LIMIT 1) IS NOT NULL,
  (SELECT id FROM events WHERE fanned_at IS NULL ORDER BY id LIMIT 1) IS NOT NULL,
  (SELECT id FROM runs WHERE state = 2 AND id > 0 ORDER BY event_id, id LIMIT 1) IS NOT NULL
    OR (SELECT id FROM runs WHERE state = 3 ORDER BY workload_id LIMIT 1) IS NOT NULL
"""  # noqa: S608 - numbers and conditions of ours


class Heart:
    """Beats until cancelled; whoever hears the news decides what to do about it."""

    def __init__(self, url: str, parts: Parts, house: House) -> None:
        self._url, self._parts, self._house = url, parts, house
        self._line: Line | None = None
        self._is_mixed = False  # others know other kinds than we do
        self._clock_off: Micros | None = None

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock() + EVERY  # the first beat was at the opening
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._parts.stirred.wait()
                self._parts.stirred.clear()
                pause = BREATH
                if self._parts.may_nudge():
                    await self._tried(self._nudge())
                    pause = AFTER_NUDGE
                if self._parts.hinted or clock() >= due:
                    due = clock() + (EVERY if await self._tried(self.beat()) else AFTER_FAILURE)
                await asyncio.sleep(pause)
        finally:
            self.hang_up()

    async def beat(self) -> None:
        """Renew the lease once, or take a new one where it was lost."""
        parts, line = self._parts, await self._connected()
        parts.hinted = False
        asked, changes = parts.monotonic(), parts.changes
        row = await line.ask(BEAT, *self._said())
        answered = parts.monotonic()
        renewed, now, living, run_ids, actors, has_ready, ready_at, has_dead, has_left = row[:9]
        self._clock_off = self._off(now, asked, answered)
        self._learn_kinds(row[9])
        if renewed:
            parts.trusted_until = asked + TRUST
        else:
            await self._begin_anew()
        self._take_share(living)
        known = _known(row[10:])
        has_ready = has_ready or parts.barred.is_of_the_past(known.generation)
        if has_ready or ready_at is not None:
            parts.queue.learn(now if has_ready else ready_at, now)
        parts.known = known if changes == parts.changes else None
        self._house.hear(
            News(
                now=now,
                asked=asked,
                answered=answered,
                next_due_at=known.next_due_at,
                has_ready=has_ready,
                has_dead=has_dead,
                has_left_events=has_left and (parts.share.place == 0 or self._is_mixed),
                has_unplanned=known.has_unplanned,
                cancels={RunId(number): by for number, by in zip(run_ids, actors, strict=True)},
                lease_lost=not renewed,
            )
        )

    def _said(self) -> tuple[object, ...]:
        parts = self._parts
        return (
            *(parts.instance, parts.replica, *parts.trigger_kinds),
            *(self._clock_off, sorted(parts.barred.ids)),
        )

    def _off(self, now: Moment, asked: Micros, answered: Micros) -> Micros | None:
        """Return how far the machine's clock is ahead of the database's, as just heard."""
        local = self._house.local
        return None if local is None else local() - (answered - asked) // 2 - now

    def _learn_kinds(self, said: Sequence[str]) -> None:
        """Note what is left to others; what an older program knows it does not say."""
        ours = self._parts.abilities
        theirs = [list(map(read_kinds, one.split(";"))) for one in set(said)]
        self._is_mixed = any(triggers != ours.trigger_kinds for triggers, _ in theirs)
        triggers = frozenset[str]().union(*(kinds or () for kinds, _ in theirs))
        workloads = frozenset[str]().union(*(kinds or () for _, kinds in theirs))
        self._parts.elsewhere = Elsewhere(
            triggers - (triggers if ours.trigger_kinds is None else ours.trigger_kinds),
            workloads - (workloads if ours.workload_kinds is None else ours.workload_kinds),
        )

    async def _nudge(self) -> None:
        line = await self._connected()
        await line.ask(HINT, str(self._parts.instance))

    async def _connected(self) -> Line:
        if self._line is None or self._line.is_closed:
            self._line = await join(self._url)
            await self._line.listen(CHANNEL, self._note_hint)
        return self._line

    def _note_hint(self, author: str) -> None:
        """Beat soon: another replica says that something changed."""
        if author != str(self._parts.instance):
            self._parts.counted = None
            self._parts.beat_soon()

    async def _tried(self, act: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(EVERY):  # wait_for may swallow the end of the server
                await act
        except (*ENVIRONMENT, asyncpg.PostgresError, StoreUnavailable, NewerSchema):
            self.hang_up()
            return False
        return True

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.cut()
        self._line = None

    async def _begin_anew(self) -> None:
        """Serve on under a new lease: what we held under the old one is no longer ours."""
        parts = self._parts
        asked = parts.monotonic()
        lease = await register(parts.database, self._house.version, parts.abilities)
        parts.replica, parts.instance, parts.ids = lease.replica, lease.instance, lease.ids
        parts.held.clear()
        parts.trusted_until = asked + TRUST

    def _take_share(self, living: Sequence[int]) -> None:
        share = self._parts.share
        if self._parts.replica in living:
            share.of, share.place = len(living), list(living).index(self._parts.replica)


def _known(row: Row) -> Known:
    next_due_at, high_water, generation, has_unplanned, has_open_events, has_runs = row
    return Known(
        next_due_at=next_due_at,
        high_water=high_water,
        generation=generation,
        has_unplanned=has_unplanned,
        has_open_events=has_open_events,
        has_runs=has_runs,
    )
