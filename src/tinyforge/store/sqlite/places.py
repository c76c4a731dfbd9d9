"""Who serves the file, and which workloads ask for a place that this is not."""

from __future__ import annotations

import apsw

from tinyforge.clock import Moment
from tinyforge.labels import carries, read_labels, show_labels
from tinyforge.model import WorkloadId
from tinyforge.store.port import Abilities, Elsewhere, Replica, Strain
from tinyforge.store.port.replicas import show_kinds
from tinyforge.store.sqlite.parts import Parts, ask, text

SERVES = """
INSERT INTO servers(replica, instance, version, started_at, seen_at, labels, trigger_kinds,
  workload_kinds) VALUES (0, ?1, ?2, ?3, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET instance = ?1, version = ?2, started_at = ?3, seen_at = ?3,
  stopped_at = NULL, labels = ?4, trigger_kinds = ?5, workload_kinds = ?6"""
CHOOSY = "SELECT id, CAST(place AS BLOB) FROM workloads WHERE place IS NOT NULL AND broken IS NULL"
UNKNOWN = """
SELECT id FROM workloads
WHERE kind NOT IN (SELECT value FROM json_each(?)) AND broken IS NULL"""


class PlaceRows:
    _parts: Parts

    async def announce(self, version: str, now: Moment, abilities: Abilities | None = None) -> None:
        """Record who serves the file from now on; what it may not be given waits."""
        parts, given = self._parts, abilities or Abilities()
        replica = Replica(
            number=0, instance=parts.instance, version=version, started_at=now, abilities=given
        )
        kinds = (show_kinds(given.trigger_kinds), show_kinds(given.workload_kinds))

        def work(db: apsw.Connection) -> frozenset[WorkloadId]:
            said = (parts.instance, version, now, show_labels(given.labels), *kinds)
            db.execute(SERVES, said)
            return barred_from(db, given)

        barred = await parts.writer.submit(work)
        parts.replica = replica
        parts.lanes.bar(barred, now)

    @property
    def elsewhere(self) -> Elsewhere:
        return Elsewhere()

    async def replicas(self) -> list[Replica]:
        return [] if self._parts.replica is None else [self._parts.replica]

    async def strain(self) -> Strain:
        return Strain()


def barred_from(db: apsw.Connection, abilities: Abilities) -> frozenset[WorkloadId]:
    """Return the workloads that whoever has *abilities* may not deploy."""
    barred = {row[0] for row in ask(db, CHOOSY) if not _is_place(abilities, row[1])}
    if abilities.workload_kinds is not None:
        barred.update(row[0] for row in ask(db, UNKNOWN, (text(abilities.workload_kinds),)))
    return frozenset(map(WorkloadId, barred))


def _is_place(abilities: Abilities, place: bytes) -> bool:
    """Judge a place; what a hand wrote there may be unreadable, and no sweep has seen it yet."""
    try:
        return carries(abilities.labels, read_labels(place.decode()))
    except ValueError:
        return False
