"""What each replica may be given: said in the row of its lease, and read there by all."""

from __future__ import annotations

from tinyforge.labels import read_labels
from tinyforge.store.port import Abilities, Elsewhere, LongTransaction, Replica, Strain, TableRows
from tinyforge.store.port.replicas import read_kinds
from tinyforge.store.postgres.connection import Row, Session
from tinyforge.store.postgres.parts import Parts

REPLICAS = """
SELECT replica, instance, version, started_at, clock_off, labels, trigger_kinds, workload_kinds
FROM servers WHERE lease_until > clock_timestamp() ORDER BY replica"""
OLDEST_TRANSACTION = """
SELECT (extract(epoch FROM clock_timestamp() - xact_start) * 1000000)::bigint, pid,
  coalesce(state, '')
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
  AND backend_type = 'client backend' ORDER BY xact_start LIMIT 1"""
CLAIMED = """
SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND relname IN ('timing', 'runs', 'events')"""


class PlaceRows:
    _parts: Parts

    @property
    def elsewhere(self) -> Elsewhere:
        return self._parts.elsewhere

    async def replicas(self) -> list[Replica]:
        return list(map(_replica, await self._parts.database.ask(REPLICAS)))

    async def strain(self) -> Strain:
        return await self._parts.database.read(_strain)


async def _strain(session: Session) -> Strain:
    longest = [LongTransaction._make(row) for row in await session.ask(OLDEST_TRANSACTION)]
    return Strain(
        oldest_transaction=longest[0] if longest else None,
        rows={name: TableRows(live, dead) for name, live, dead in await session.ask(CLAIMED)},
    )


def _replica(row: Row) -> Replica:
    number, instance, version, started_at, clock_off, labels, triggers, workloads = row
    abilities = Abilities(
        labels=read_labels(labels or ""),
        trigger_kinds=read_kinds(triggers),
        workload_kinds=read_kinds(workloads),
    )
    return Replica(
        number=number,
        instance=instance,
        version=version,
        started_at=started_at,
        abilities=None if labels is None else abilities,
        clock_off=clock_off,
    )
