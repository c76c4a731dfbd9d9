"""Replicas that live: each has a number and an instance, for the length of a lease."""

from __future__ import annotations

from dataclasses import dataclass

from tinyforge.errors import StoreUnavailable
from tinyforge.ids import LAST, Ids
from tinyforge.labels import show_labels
from tinyforge.store.port import Abilities
from tinyforge.store.port.replicas import show_kinds
from tinyforge.store.postgres.connection import Database, Session
from tinyforge.store.postgres.migrate import SCHEMA, may_serve
from tinyforge.store.postgres.statements import HINT

LEASE_SECONDS = 15
MOST_REPLICAS = 512
TABLES = (
    *("events", "runs", "revisions", "triggers", "workloads", "bindings", "tokens", "audit"),
    "deliveries",
)
HIGHEST = " UNION ALL ".join(
    f"(SELECT id FROM {table} WHERE id < {LAST} ORDER BY id DESC LIMIT 1)"  # noqa: S608 - our own tables
    for table in TABLES
)
# One at a time. The last instance is kept, for it must be higher than all before.
LAST_ID = "SELECT value FROM marks WHERE name = 'last_id' FOR UPDATE"
KEEP_ID = "UPDATE marks SET value = $1 WHERE name = 'last_id'"
FREE = f"""
SELECT n FROM generate_series(0, {MOST_REPLICAS - 1}) n
WHERE NOT EXISTS (SELECT 1 FROM servers s WHERE s.replica = n) ORDER BY n LIMIT 1"""  # noqa: S608 - a number of ours
NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
SERVES = f"""
INSERT INTO servers(replica, instance, version, started_at, labels, trigger_kinds, workload_kinds,
  schema, lease_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, {SCHEMA}, clock_timestamp() + interval '{LEASE_SECONDS} s')"""  # noqa: S608 - numbers of ours
# After an outage of the database itself, everybody has time to renew before anybody is buried.
LAPSED = f"""
s.lease_until < clock_timestamp() - interval '3 s'
AND pg_postmaster_start_time() < clock_timestamp() - interval '{LEASE_SECONDS} s'"""
# Of a run: a replica that lives has it, or recovers it and is not $1.
TENDED = "s.instance = r.owner OR s.instance = r.recovered_by AND s.instance <> $1"
LEAVES = "DELETE FROM servers WHERE instance = $1"


@dataclass(frozen=True)
class Lease:
    replica: int
    instance: int
    ids: Ids


async def register(database: Database, version: str, abilities: Abilities) -> Lease:
    """Take a number that nobody has, and an instance that is higher than every id before it."""
    said = (
        show_labels(abilities.labels),
        show_kinds(abilities.trigger_kinds),
        show_kinds(abilities.workload_kinds),
    )

    async def work(session: Session) -> Lease:
        await may_serve(session)
        now = await session.one(NOW)
        last = await session.one(LAST_ID)
        highest = await session.one(f"SELECT coalesce(max(id), 0) FROM ({HIGHEST}) ids")  # noqa: S608 - our own query
        replica = await session.one(FREE)
        if replica is None:
            raise StoreUnavailable(f"{MOST_REPLICAS} replicas are registered; stop one")
        ids = Ids(replica=replica, above=max(last, highest))
        instance = ids.next(now)
        await session.do(KEEP_ID, instance)
        await session.do(SERVES, replica, instance, version, now, *said)
        await session.ask(HINT, str(instance))
        return Lease(replica, instance, ids)

    return await database.write(work)


async def leave(database: Database, instance: int) -> None:
    """Give the lease back: what is still under it may be recovered at once."""

    async def work(session: Session) -> None:
        await session.do(LEAVES, instance)
        await session.ask(HINT, str(instance))

    await database.write(work)
