"""Config: triggers, workloads, bindings and the timing of schedules, changed in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.metadata import version

import asyncpg

from tinyforge.clock import Moment
from tinyforge.errors import Conflict, NotFound
from tinyforge.model import Binding, Event, Revision, RevisionId, Trigger, TriggerId, Workload
from tinyforge.store import cells
from tinyforge.store.changes import Revisions, binding_rows, trigger_rows, workload_rows
from tinyforge.store.endpoints import TAKEN
from tinyforge.store.port import (
    BrokenMark,
    Catalog,
    ConfigChange,
    Inspected,
    Timing,
    What,
    WindowsRepeated,
)
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.access import record
from tinyforge.store.postgres.connection import Row, Session, text
from tinyforge.store.postgres.endpoints import all_endpoints, put_endpoints
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.reading import as_cells
from tinyforge.store.postgres.secrets import put_secrets
from tinyforge.store.postgres.timings import StoredTimings

TABLES: dict[What, tuple[str, tuple[str, ...], Callable[[Sequence[object]], Inspected]]] = {
    "trigger": ("triggers", cells.TRIGGER_ONLY, cells.trigger_of),
    "workload": ("workloads", cells.WORKLOAD_ONLY, cells.workload_of),
    "binding": ("bindings", cells.BINDING_ONLY, cells.binding_of),
}
TIMINGS = (
    f"SELECT m.trigger_id, s.text, {', '.join(f'm.{column}' for column in cells.TIMING)}"  # noqa: S608 - our own columns
    " FROM timing m LEFT JOIN specs s ON s.id = m.spec_id"
)
COLUMNS = {
    "triggers": (
        *("id", "name text", "kind text", "config text", "enabled int", "managed_by text"),
        *("revision_id", "broken text", "deleted_at"),
    ),
    "workloads": (
        *("id", "name text", "kind text", "config text", "queue text", "timeout text"),
        *("retry text", "idempotent boolean", "place text", "managed_by text"),
        *("revision_id", "broken text", "deleted_at"),
    ),
    "bindings": (
        *("id", "name text", "trigger_id", "workload_id", "rule text", "enabled int"),
        *("managed_by text", "revision_id", "broken text", "deleted_at"),
    ),
}


def _put(table: str) -> str:
    names = [column.partition(" ")[0] for column in COLUMNS[table]]
    values = ", ".join(f"b.{n}::int" if n == "idempotent" else f"b.{n}" for n in names)
    updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    return (
        f"INSERT INTO {table}({', '.join(names)}) SELECT {values}"  # noqa: S608 - our own columns
        f" FROM {sql.unpacked(*COLUMNS[table])} WHERE (b.deleted_at IS NOT NULL) = $2::boolean"
        f" ORDER BY b.id ON CONFLICT (id) DO UPDATE SET {updates}"
    )


PUT = {table: _put(table) for table in COLUMNS}
MARK_BROKEN = {
    what: f"UPDATE {table} r SET broken = b.problem"  # noqa: S608 - our own columns
    f" FROM {sql.unpacked('what text', 'id', 'problem text')} WHERE r.id = b.id"
    for what, (table, _, _) in TABLES.items()
}
CLOSE_REVISIONS = f"""
UPDATE revisions r SET until_at = $2 FROM {sql.unpacked("what text", "row_id")}
WHERE r.row_id = b.row_id AND r.what = b.what AND r.until_at IS NULL"""  # noqa: S608 - our own columns
PUT_REVISIONS = f"""
INSERT INTO revisions(id, what, row_id, text, from_at, zone_data, author)
SELECT b.*, $2::bigint, $3::text, $4::text
FROM {sql.unpacked("id", "what text", "row_id", "text text")}"""  # noqa: S608 - our own columns
PLANNED = f"""
DELETE FROM unplanned u USING {sql.unpacked("what text", "row_id", "last_fired", "changes int")}
WHERE u.what = b.what AND u.row_id = b.row_id AND u.changes = b.changes"""  # noqa: S608 - our own columns
REVISIONS = """
SELECT id, what, row_id, text, zone_data, from_at, until_at, author FROM revisions
WHERE what = $1 AND row_id = $2 ORDER BY from_at, id"""


class ConfigRows:
    _parts: Parts

    def new_id(self, now: Moment) -> int:
        return self._parts.ids.next(now)

    def new_ids(self, count: int, now: Moment) -> list[int]:
        return self._parts.ids.many(count, now)

    async def catalog(self) -> Catalog:
        return await self._parts.database.read(_catalog)

    async def trigger_named(self, name: str) -> tuple[Trigger, Timing | None]:
        async def query(session: Session) -> tuple[Trigger, Timing | None]:
            trigger = await named_row(session, "trigger", name)
            assert isinstance(trigger, Trigger)  # noqa: S101 - narrows the table's row type
            rows = await session.ask(f"{TIMINGS} WHERE m.trigger_id = $1", trigger.id)
            return trigger, timing_of(rows[0]) if rows else None

        return await self._parts.database.read(query)

    async def workload_named(self, name: str) -> Workload:
        found = await self._parts.database.read(lambda s: named_row(s, "workload", name))
        assert isinstance(found, Workload)  # noqa: S101 - narrows the table's row type
        return found

    async def bindings_of(self, trigger_id: TriggerId) -> list[Binding]:
        where = "r.trigger_id = $1 AND r.deleted_at IS NULL ORDER BY r.id"
        rows = await self._parts.database.read(
            lambda s: rows_where(s, "binding", where, trigger_id)
        )
        return [found.row for found in rows if isinstance(found.row, Binding)]

    async def triggers_of_kinds(self, kinds: Sequence[str]) -> list[Trigger]:
        where = "r.kind = ANY($1::text[]) AND r.deleted_at IS NULL ORDER BY r.id"
        found = await self._parts.database.read(
            lambda s: rows_where(s, "trigger", where, list(kinds))
        )
        return [one.row for one in found if isinstance(one.row, Trigger) and not one.row.broken]

    async def decided_after(self, moment: Moment, after: TriggerId, limit: int) -> list[Timing]:
        where = "WHERE m.decided_until > $1 AND m.trigger_id > $2 ORDER BY m.trigger_id LIMIT $3"
        rows = await self._parts.database.ask(f"{TIMINGS} {where}", moment, after, limit)
        return list(map(timing_of, rows))

    async def names(self, what: What, ids: Sequence[int]) -> dict[int, str]:
        query = f"SELECT id, name FROM {TABLES[what][0]} WHERE id = ANY($1::bigint[])"  # noqa: S608 - our own table
        return dict(await self._parts.database.ask(query, list(ids)))

    async def inspect(self, what: What, row_ids: Sequence[int]) -> list[Inspected]:
        return await self._parts.database.read(lambda s: _inspect(s, what, list(row_ids)))

    async def revisions(self, what: What, row_id: int) -> list[Revision]:
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
            for number, noun, row, written, zone, since, until, author in (
                await self._parts.database.ask(REVISIONS, what, row_id)
            )
        ]

    async def change(self, change: ConfigChange, now: Moment) -> list[Event]:
        stored = _Change(change, self._parts, now)
        try:
            await self._parts.database.write(stored.work)
        except asyncpg.UniqueViolationError as problem:
            if problem.table_name in COLUMNS:
                raise Conflict(f"a name is taken: {problem.detail}") from problem
            if problem.table_name == "endpoints":
                raise Conflict(TAKEN) from problem
            fired = [event.trigger_id for event in stored.timings.events]
            if problem.table_name == "events":
                raise WindowsRepeated(fired) from problem
            raise Conflict(f"another transaction wrote the same: {problem.detail}") from problem
        finally:
            self._parts.forget_known()
        return stored.timings.events


class _Change:
    """One change inside its transaction; schedules first, the generation last, as everywhere."""

    def __init__(self, change: ConfigChange, parts: Parts, now: Moment) -> None:
        self._change, self._now = change, now
        self._author = str(parts.instance)

        def new_id() -> int:
            return parts.ids.next(now)

        self._revisions = Revisions(new_id)
        self._rows = {
            "workloads": workload_rows(change.workloads, self._revisions, now),
            "triggers": trigger_rows(change.triggers, self._revisions, now),
            "bindings": binding_rows(change.bindings, self._revisions, now),
        }
        self.timings = StoredTimings(change.timings, self._revisions.of_triggers, new_id, now)

    async def work(self, session: Session) -> None:
        change = self._change
        await self.timings.check(session)
        await self.timings.store(session)
        await self._put_rows(session)
        await self._put_endpoints(session)
        await self._put_revisions(session)
        for what, statement in MARK_BROKEN.items():
            marks: list[BrokenMark] = [mark for mark in change.broken if mark.what == what]
            if marks:
                await session.do(statement, text(marks))
        if change.planned:
            await session.do(PLANNED, text(list(change.planned)))
        await put_secrets(session, change.secrecy)
        await record(session, change.entry)
        await session.ask(sql.HINT, self._author)
        await self._close(session)

    async def _put_rows(self, session: Session) -> None:
        """Store rows, deleted ones first: a name is free only after the row before has gone."""
        for table, rows in self._rows.items():
            if rows:
                for deleted in (True, False):
                    await session.do(PUT[table], text(rows), deleted)

    async def _put_endpoints(self, session: Session) -> None:
        """Store endpoints once their triggers are there; those of triggers that go end."""
        change = self._change
        if change.endpoints or any(write.deleted for write in change.triggers):
            await put_endpoints(session, change.endpoints)

    async def _put_revisions(self, session: Session) -> None:
        revisions = self._revisions
        if revisions.ended:
            await session.do(CLOSE_REVISIONS, text(revisions.ended), self._now)
        if revisions.rows:
            values = (self._now, version("tzdata"), self._change.author)
            await session.do(PUT_REVISIONS, text(revisions.rows), *values)

    async def _close(self, session: Session) -> None:
        change = self._change
        if change.generation is not None:
            hold = f"{sql.GENERATION} FOR UPDATE"
            if await session.one(hold) != change.generation:
                raise Conflict("the config changed since it was read")
        if any((*self._rows.values(), change.endpoints, change.broken, change.planned)):
            await session.do(sql.NEW_GENERATION)


# --- reads ----------------------------------------------------------------------------------------


async def rows_where(session: Session, what: What, where: str, *values: object) -> list[Inspected]:
    table, columns, read = TABLES[what]
    query = f"SELECT r.id, {', '.join(f'r.{column}' for column in columns)} FROM {table} r"  # noqa: S608 - our own columns
    rows = await session.ask(f"{query} WHERE {where}", *values)
    return [read((row[0], *as_cells(row[1:]))) for row in rows]


def timing_of(row: Row) -> Timing:
    return cells.timing_of((row[0], row[1], *as_cells(row[2:])))


async def _catalog(session: Session) -> Catalog:
    alive = "r.deleted_at IS NULL ORDER BY r.id"
    triggers = await rows_where(session, "trigger", alive)
    workloads = await rows_where(session, "workload", alive)
    bindings = await rows_where(session, "binding", alive)
    timings = await session.ask(f"{TIMINGS} ORDER BY m.trigger_id")
    return Catalog(
        generation=await session.one(sql.GENERATION),
        triggers=[found.row for found in triggers if isinstance(found.row, Trigger)],
        workloads=[found.row for found in workloads if isinstance(found.row, Workload)],
        bindings=[found.row for found in bindings if isinstance(found.row, Binding)],
        timings=list(map(timing_of, timings)),
        endpoints=await all_endpoints(session),
    )


async def _inspect(session: Session, what: What, row_ids: list[int]) -> list[Inspected]:
    rows = await rows_where(session, what, "r.id = ANY($1::bigint[])", row_ids)
    found = {one.row.id if one.row is not None else 0: one for one in rows}
    timings: dict[int, Timing] = {}
    if what == "trigger":
        among = f"{TIMINGS} WHERE m.trigger_id = ANY($1::bigint[])"
        timings = {row[0]: timing_of(row) for row in await session.ask(among, row_ids)}
    gone = Inspected(row=None, problems=(), deleted=True)
    return [_with_timing(found.get(number, gone), timings.get(number)) for number in row_ids]


def _with_timing(found: Inspected, timing: Timing | None) -> Inspected:
    if timing is None:
        return found
    return Inspected(row=found.row, problems=found.problems, deleted=found.deleted, timing=timing)


async def named_row(session: Session, what: What, name: str) -> Trigger | Workload | Binding:
    found = await rows_where(session, what, "r.name = $1 AND r.deleted_at IS NULL", name)
    if found and found[0].row is not None:
        return found[0].row
    query = f"SELECT name FROM {TABLES[what][0]} WHERE deleted_at IS NULL"  # noqa: S608 - our own table
    names = [row[0] for row in await session.ask(query)]
    near = get_close_matches(name, names, 1)
    raise NotFound(what, name, near[0] if near else None)
