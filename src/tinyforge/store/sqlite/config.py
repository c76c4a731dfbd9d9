"""Config: triggers, workloads, bindings and the timing of schedules, changed in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.metadata import version

import apsw

from tinyforge.clock import Moment
from tinyforge.errors import Conflict, NotFound
from tinyforge.model import (
    Binding,
    Event,
    Revision,
    RevisionId,
    Trigger,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.store import cells
from tinyforge.store.changes import Revisions, binding_rows, trigger_rows, workload_rows
from tinyforge.store.endpoints import TAKEN
from tinyforge.store.port import (
    Abilities,
    BrokenMark,
    Catalog,
    ConfigChange,
    Inspected,
    Timing,
    What,
)
from tinyforge.store.sqlite.access import record
from tinyforge.store.sqlite.endpoints import all_endpoints, put_endpoints
from tinyforge.store.sqlite.parts import GENERATION, Parts, ask, text
from tinyforge.store.sqlite.places import barred_from
from tinyforge.store.sqlite.secrets import put_secrets
from tinyforge.store.sqlite.timings import StoredTimings

TABLES: dict[What, tuple[str, tuple[str, ...], Callable[[Sequence[object]], Inspected]]] = {
    "trigger": ("triggers", cells.TRIGGER_ONLY, cells.trigger_of),
    "workload": ("workloads", cells.WORKLOAD_ONLY, cells.workload_of),
    "binding": ("bindings", cells.BINDING_ONLY, cells.binding_of),
}
TIMINGS = (
    f"SELECT m.trigger_id, s.text, {cells.select(cells.TIMING, 'm')}"  # noqa: S608 - our own columns
    " FROM timing m LEFT JOIN specs s ON s.id = m.spec_id"
)
ALIVE = "typeof(r.deleted_at) <> 'integer'"  # nonsense there deletes nothing, it is broken
AMONG = "WHERE m.trigger_id IN (SELECT value FROM json_each(?))"

PUT_TRIGGERS = """
INSERT INTO triggers(id, name, kind, config, enabled, managed_by, revision_id, broken, deleted_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8 FROM jsonb_each(?) WHERE true
ON CONFLICT(id) DO UPDATE SET name = excluded.name, kind = excluded.kind, config = excluded.config,
  enabled = excluded.enabled, managed_by = excluded.managed_by, revision_id = excluded.revision_id,
  broken = excluded.broken, deleted_at = excluded.deleted_at"""

PUT_WORKLOADS = """
INSERT INTO workloads(id, name, kind, config, queue, timeout, retry, idempotent, place, managed_by,
  revision_id, broken, deleted_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
FROM jsonb_each(?) WHERE true
ON CONFLICT(id) DO UPDATE SET name = excluded.name, kind = excluded.kind, config = excluded.config,
  queue = excluded.queue, timeout = excluded.timeout, retry = excluded.retry,
  idempotent = excluded.idempotent, place = excluded.place, managed_by = excluded.managed_by,
  revision_id = excluded.revision_id, broken = excluded.broken, deleted_at = excluded.deleted_at"""

PUT_BINDINGS = """
INSERT INTO bindings(id, name, trigger_id, workload_id, rule, enabled, managed_by, revision_id,
  broken, deleted_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8, value ->> 9 FROM jsonb_each(?) WHERE true
ON CONFLICT(id) DO UPDATE SET name = excluded.name, trigger_id = excluded.trigger_id,
  workload_id = excluded.workload_id, rule = excluded.rule, enabled = excluded.enabled,
  managed_by = excluded.managed_by, revision_id = excluded.revision_id, broken = excluded.broken,
  deleted_at = excluded.deleted_at"""

MARK_BROKEN = """
UPDATE {0} SET broken = b.problem
FROM (SELECT value ->> 1 AS id, value ->> 2 AS problem FROM jsonb_each(?)) b WHERE {0}.id = b.id"""
CLOSE_REVISIONS = """
UPDATE revisions SET until_at = ?2
WHERE (row_id, what) IN (SELECT value ->> 1, value ->> 0 FROM jsonb_each(?1))
  AND until_at IS NULL"""
PUT_REVISIONS = """
INSERT INTO revisions(id, what, row_id, text, zone_data, from_at, author)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?3, ?2, ?4 FROM jsonb_each(?1)"""

PLANNED = """
DELETE FROM unplanned WHERE (what, row_id, changes) IN
  (SELECT value ->> 0, value ->> 1, value ->> 3 FROM jsonb_each(?))"""
NEW_GENERATION = """
INSERT INTO facts(name, value) VALUES ('generation', 1)
ON CONFLICT DO UPDATE SET value = value + 1"""


class ConfigRows:
    _parts: Parts

    def new_id(self, now: Moment) -> int:
        return self._parts.ids.next(now)

    def new_ids(self, count: int, now: Moment) -> list[int]:
        return self._parts.ids.many(count, now)

    async def catalog(self) -> Catalog:
        return await self._parts.read(_catalog)

    async def trigger_named(self, name: str) -> tuple[Trigger, Timing | None]:
        def query(db: apsw.Connection) -> tuple[Trigger, Timing | None]:
            trigger = named_row(db, "trigger", name)
            assert isinstance(trigger, Trigger)  # noqa: S101 - narrows the table's row type
            return trigger, _timing(db, trigger.id)

        return await self._parts.read(query)

    async def workload_named(self, name: str) -> Workload:
        found = await self._parts.read(lambda db: named_row(db, "workload", name))
        assert isinstance(found, Workload)  # noqa: S101 - narrows the table's row type
        return found

    async def bindings_of(self, trigger_id: TriggerId) -> list[Binding]:
        where = "r.trigger_id = ? AND r.deleted_at IS NULL ORDER BY r.id"
        found_rows = await self._parts.read(
            lambda db: rows_where(db, "binding", where, (trigger_id,))
        )
        return [found.row for found in found_rows if isinstance(found.row, Binding)]

    async def triggers_of_kinds(self, kinds: Sequence[str]) -> list[Trigger]:
        where = "r.kind IN (SELECT value FROM json_each(?)) AND r.deleted_at IS NULL"
        wanted = text(list(kinds))
        found = await self._parts.read(lambda db: rows_where(db, "trigger", where, (wanted,)))
        return [one.row for one in found if isinstance(one.row, Trigger) and not one.row.broken]

    async def decided_after(self, moment: Moment, after: TriggerId, limit: int) -> list[Timing]:
        where = "WHERE m.decided_until > ? AND m.trigger_id > ? ORDER BY m.trigger_id LIMIT ?"
        values = (moment, after, limit)
        rows = await self._parts.read(lambda db: ask(db, f"{TIMINGS} {where}", values))
        return list(map(cells.timing_of, rows))

    async def names(self, what: What, ids: Sequence[int]) -> dict[int, str]:
        table = TABLES[what][0]
        query = f"SELECT id, CAST(name AS BLOB) FROM {table} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: E501, S608 - our own table
        wanted = text(list(ids))
        rows = await self._parts.read(lambda db: ask(db, query, (wanted,)))
        return {number: name.decode(errors="replace") for number, name in rows}

    async def inspect(self, what: What, row_ids: Sequence[int]) -> list[Inspected]:
        return await self._parts.read(lambda db: _inspect(db, what, row_ids))

    async def revisions(self, what: What, row_id: int) -> list[Revision]:
        query = (
            "SELECT id, what, row_id, text, zone_data, from_at, until_at, author FROM revisions"
            " WHERE row_id = ? AND what = ? ORDER BY from_at, id"
        )
        rows = await self._parts.read(lambda db: ask(db, query, (row_id, what)))
        return [
            Revision(
                id=RevisionId(number),
                what=noun,
                row_id=row,
                text=written,
                zone_data=zone,
                since=since,
                until=until,
                author=author,
            )
            for number, noun, row, written, zone, since, until, author in rows
        ]

    async def change(self, change: ConfigChange, now: Moment) -> list[Event]:
        ids, replica = self._parts.ids, self._parts.replica
        revisions = Revisions(lambda: ids.next(now))
        triggers = trigger_rows(change.triggers, revisions, now)
        workloads = workload_rows(change.workloads, revisions, now)
        bindings = binding_rows(change.bindings, revisions, now)
        timings = StoredTimings(change.timings, revisions.of_triggers, lambda: ids.next(now), now)

        def work(db: apsw.Connection) -> frozenset[WorkloadId] | None:
            _check_generation(db, change)
            timings.check(db)
            _put_revisions(db, revisions, now, change.author)
            for statement, rows in (
                (PUT_TRIGGERS, triggers),
                (PUT_WORKLOADS, workloads),
                (PUT_BINDINGS, bindings),
            ):
                if rows:
                    _put(db, statement, rows)
            _put_endpoints(db, change)
            timings.store(db)
            _mark_broken(db, change.broken)
            if change.planned:
                db.execute(PLANNED, (text(list(change.planned)),))
            put_secrets(db, change.secrecy)
            record(db, change.entry)
            config = (triggers, workloads, bindings, change.endpoints)
            if any((*config, change.broken, change.planned)):
                db.execute(NEW_GENERATION)
            if replica is None or not (workloads or change.broken or change.planned):
                return None
            return barred_from(db, replica.abilities or Abilities())

        barred = await self._parts.change_config(work)
        if barred is not None:
            self._parts.lanes.bar(barred, now)
        return timings.events


def _put_revisions(db: apsw.Connection, revisions: Revisions, now: Moment, author: str) -> None:
    if revisions.ended:
        db.execute(CLOSE_REVISIONS, (text(revisions.ended), now))
    if revisions.rows:
        db.execute(PUT_REVISIONS, (text(revisions.rows), now, version("tzdata"), author))


def _put(db: apsw.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    try:
        db.execute(statement, (text(rows),))
    except apsw.ConstraintError as problem:
        raise Conflict(f"a name is taken: {problem}") from problem


def _put_endpoints(db: apsw.Connection, change: ConfigChange) -> None:
    """Store endpoints once their triggers are there; those of triggers that go end."""
    if not change.endpoints and not any(write.deleted for write in change.triggers):
        return
    try:
        put_endpoints(db, change.endpoints)
    except apsw.ConstraintError as problem:
        raise Conflict(TAKEN) from problem


def _mark_broken(db: apsw.Connection, marks: Sequence[BrokenMark]) -> None:
    for what, (table, _, _) in TABLES.items():
        rows = [mark for mark in marks if mark.what == what]
        if rows:
            db.execute(MARK_BROKEN.format(table), (text(rows),))


def _check_generation(db: apsw.Connection, change: ConfigChange) -> None:
    if change.generation is None:
        return
    if ask(db, GENERATION)[0][0] != change.generation:
        raise Conflict("the config changed since it was read")


# --- reads ----------------------------------------------------------------------------------------


def rows_where(
    db: apsw.Connection, what: What, where: str, bindings: tuple[object, ...] = ()
) -> list[Inspected]:
    table, columns, read = TABLES[what]
    query = f"SELECT r.id, {cells.select(columns, 'r')} FROM {table} r WHERE {where}"  # noqa: S608 - our own columns
    return [read(row) for row in ask(db, query, bindings)]


def _catalog(db: apsw.Connection) -> Catalog:
    alive = f"{ALIVE} ORDER BY r.id"
    triggers = [f.row for f in rows_where(db, "trigger", alive) if isinstance(f.row, Trigger)]
    workloads = [f.row for f in rows_where(db, "workload", alive) if isinstance(f.row, Workload)]
    bindings = [f.row for f in rows_where(db, "binding", alive) if isinstance(f.row, Binding)]
    return Catalog(
        generation=ask(db, GENERATION)[0][0],
        triggers=triggers,
        workloads=workloads,
        bindings=bindings,
        timings=[cells.timing_of(row) for row in ask(db, TIMINGS)],
        endpoints=all_endpoints(db),
    )


def _timing(db: apsw.Connection, trigger_id: int) -> Timing | None:
    rows = ask(db, f"{TIMINGS} WHERE m.trigger_id = ?", (trigger_id,))
    return cells.timing_of(rows[0]) if rows else None


def _inspect(db: apsw.Connection, what: What, row_ids: Sequence[int]) -> list[Inspected]:
    wanted = text(list(row_ids))
    within = "r.id IN (SELECT value FROM json_each(?))"
    found = {_id(f): f for f in rows_where(db, what, within, (wanted,))}
    timings: dict[int, Timing] = {}
    if what == "trigger":
        query = f"{TIMINGS} {AMONG}"
        timings = {row[0]: cells.timing_of(row) for row in ask(db, query, (wanted,))}
    gone = Inspected(row=None, problems=(), deleted=True)
    return [_with_timing(found.get(number, gone), timings.get(number)) for number in row_ids]


def _with_timing(found: Inspected, timing: Timing | None) -> Inspected:
    if timing is None:
        return found
    return Inspected(row=found.row, problems=found.problems, deleted=found.deleted, timing=timing)


def _id(found: Inspected) -> int:
    return found.row.id if found.row is not None else 0


def named_row(db: apsw.Connection, what: What, name: str) -> Trigger | Workload | Binding:
    found = rows_where(db, what, "r.name = ? AND r.deleted_at IS NULL", (name,)) or rows_where(
        db, what, f"r.name = ? AND {ALIVE} LIMIT 1", (name,)
    )
    if found and found[0].row is not None:
        return found[0].row
    table = TABLES[what][0]
    query = f"SELECT CAST(name AS BLOB) FROM {table} WHERE deleted_at IS NULL"  # noqa: S608 - our own table
    names = [row[0].decode(errors="replace") for row in ask(db, query)]
    near = get_close_matches(name, names, 1)
    raise NotFound(what, name, near[0] if near else None)
