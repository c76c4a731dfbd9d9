"""The heartbeat: one statement on a connection of its own renews the lease and brings the news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import asyncpg

from tinyforge.clock import SECOND, Micros
from tinyforge.store.postgres.connection import ENVIRONMENT, Connection, connect
from tinyforge.store.postgres.house import News
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.registry import LAPSED, LEASE_SECONDS, register

EVERY = 5.0  # seconds
AFTER_FAILURE = 1.0
TRUST: Micros = 10 * SECOND  # since the renewal was asked for: less than the lease
BEAT = f"""
WITH renewed AS (UPDATE servers SET lease_until = clock_timestamp() + interval '{LEASE_SECONDS} s'
  WHERE replica = $1 AND instance = $2 RETURNING replica)
SELECT EXISTS (SELECT 1 FROM renewed),
  (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
  ARRAY(SELECT replica FROM servers WHERE lease_until > clock_timestamp() OR replica = $1
    ORDER BY replica),
  (SELECT due_at FROM timing WHERE due_at IS NOT NULL ORDER BY due_at, trigger_id LIMIT 1),
  (SELECT ready_at FROM runs r WHERE state = 2 AND NOT EXISTS
    (SELECT 1 FROM runs o WHERE o.workload_id = r.workload_id AND o.state = 3)
    ORDER BY ready_at LIMIT 1),
  EXISTS (SELECT 1 FROM servers s WHERE {LAPSED})
    OR EXISTS (SELECT 1 FROM runs r WHERE r.state = 3
      AND NOT EXISTS (SELECT 1 FROM servers s WHERE s.instance = r.owner)),
  EXISTS (SELECT 1 FROM events e WHERE fanned_at IS NULL AND NOT EXISTS
    (SELECT 1 FROM servers s WHERE (e.id >> 12 & 511) = s.replica AND e.id > s.instance)),
  EXISTS (SELECT 1 FROM unplanned)"""  # noqa: S608 - a number of ours


class Heart:
    """Beats until cancelled; whoever hears the news decides what to do about it."""

    def __init__(self, url: str, parts: Parts, version: str, hear: Callable[[News], None]) -> None:
        self._url, self._parts, self._version = url, parts, version
        self._hear = hear
        self._connection: Connection | None = None

    async def run(self) -> None:
        try:
            pause = EVERY  # the first beat was at the opening
            while True:
                await asyncio.sleep(pause)
                pause = EVERY if await self._tried() else AFTER_FAILURE
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def beat(self) -> None:
        """Renew the lease once, or take a new one where it was lost."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url)
        asked = self._parts.monotonic()
        async with self._connection.transaction():
            row = await self._connection.fetchrow(BEAT, self._parts.replica, self._parts.instance)
        assert row is not None  # noqa: S101 - it has no table to be empty
        renewed, now, living, next_due, ready_at, has_dead, has_left, has_unplanned = row
        if not renewed:
            await self._begin_anew()
        else:
            self._parts.trusted_until = asked + TRUST
        self._take_share(living)
        if ready_at is not None:
            self._parts.queue.note(ready_at, now)
        self._hear(
            News(
                now=now,
                asked=asked,
                answered=self._parts.monotonic(),
                next_due_at=next_due,
                has_ready=ready_at is not None and ready_at <= now,
                has_dead=has_dead,
                has_left_events=has_left and self._parts.share.place == 0,
                has_unplanned=has_unplanned,
                lease_lost=not renewed,
            )
        )

    async def _tried(self) -> bool:
        try:
            await asyncio.wait_for(self.beat(), EVERY)
        except (*ENVIRONMENT, asyncpg.PostgresError):
            if self._connection is not None:
                with suppress(Exception):
                    self._connection.terminate()
                self._connection = None
            return False
        return True

    async def _begin_anew(self) -> None:
        """Serve on under a new lease: what we held under the old one is no longer ours."""
        parts = self._parts
        lease = await register(parts.database, self._version)
        parts.replica, parts.instance, parts.ids = lease.replica, lease.instance, lease.ids
        parts.held.clear()
        parts.trusted_until = parts.monotonic()

    def _take_share(self, living: Sequence[int]) -> None:
        share = self._parts.share
        if self._parts.replica in living:
            share.of, share.place = len(living), list(living).index(self._parts.replica)
