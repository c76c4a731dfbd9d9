"""Pages of rows, and what has moved, each answer one snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from tinyforge.model import Binding, Event, Run, RunId, RunState, TriggerId
from tinyforge.store.port import Inspected, What
from tinyforge.store.port.listing import (
    Ledger,
    LedgerPlace,
    Moves,
    Place,
    Revised,
    RowFilter,
    Seen,
)
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.config import TABLES, TIMINGS, named_row, rows_where, timing_of
from tinyforge.store.postgres.connection import Session
from tinyforge.store.postgres.history import EVENT, SPAN_COLUMNS
from tinyforge.store.postgres.hot import EVENT_COLUMNS
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.rows import RUN_COLUMNS, event_of, run_of, span_of

NAME = 'name COLLATE "C"'  # by code points, as everywhere
KEYED = f"{EVENT} WHERE trigger_id = $1 AND key = $2"
LEDGER_EVENTS = f"""
{EVENT} WHERE window_at <= $2 AND trigger_id = $1
  AND (window_at, epoch) < ($2::bigint, $3::bigint)
ORDER BY window_at DESC, epoch DESC LIMIT $4"""
LEDGER_SPANS = f"""
SELECT {SPAN_COLUMNS} FROM spans
WHERE trigger_id = $1 AND (until_at, epoch) < ($2::bigint, $3::bigint)
ORDER BY until_at DESC, epoch DESC LIMIT $4"""  # noqa: S608 - our own columns
NEW_EVENTS = f"""
SELECT {EVENT_COLUMNS.replace(" facts", " NULL")} FROM events WHERE id > $1
ORDER BY id LIMIT $2"""  # noqa: S608 - our own columns
NEW_RUNS = "SELECT id, state, attempt FROM runs WHERE id > $1 ORDER BY id LIMIT $2"
WATCHED = "SELECT id, state, attempt FROM runs WHERE id = ANY($1::bigint[])"
AT_WORK = "SELECT id, state, attempt FROM runs WHERE state = 3 LIMIT $1"
REVISED = "SELECT id, what, row_id FROM revisions WHERE id > $1 ORDER BY id LIMIT $2"
PAUSED = "SELECT trigger_id FROM timing WHERE paused_at IS NOT NULL"
LAST_PLACE = LedgerPlace(2**63 - 1, 2**63 - 1)


class ListingRows:
    _parts: Parts

    async def rows(self, wanted: RowFilter) -> list[Inspected]:
        return await self._parts.database.read(lambda s: _rows(s, wanted))

    async def binding_named(self, name: str) -> Binding:
        found = await self._parts.database.read(lambda s: named_row(s, "binding", name))
        assert isinstance(found, Binding)  # noqa: S101 - narrows the table's row type
        return found

    async def bindings_of_rows(self, what: What, ids: Sequence[int]) -> list[Binding]:
        where = f"r.{what}_id = ANY($1::bigint[]) AND r.deleted_at IS NULL ORDER BY r.id"
        found = await self._parts.database.read(
            lambda s: rows_where(s, "binding", where, list(ids))
        )
        return [one.row for one in found if isinstance(one.row, Binding)]

    async def event_keyed(self, trigger_id: TriggerId, key: str) -> Event | None:
        rows = await self._parts.database.ask(KEYED, trigger_id, key)
        return event_of(rows[0]) if rows else None

    async def ledger(self, trigger_id: TriggerId, below: LedgerPlace | None, limit: int) -> Ledger:
        values = (trigger_id, *(below or LAST_PLACE), limit)

        async def query(session: Session) -> Ledger:
            return Ledger(
                events=list(map(event_of, await session.ask(LEDGER_EVENTS, *values))),
                spans=list(map(span_of, await session.ask(LEDGER_SPANS, *values))),
            )

        return await self._parts.database.read(query)

    async def moves(self, seen: Seen) -> Moves:
        return await self._parts.database.read(lambda s: _moves(s, seen))

    async def runs_by_id(self, ids: Sequence[RunId]) -> list[Run]:
        query = f"SELECT {RUN_COLUMNS} FROM runs WHERE id = ANY($1::bigint[]) ORDER BY id"  # noqa: S608 - our own columns
        return list(map(run_of, await self._parts.database.ask(query, list(ids))))


async def _rows(session: Session, wanted: RowFilter) -> list[Inspected]:
    conditions = list(_conditions(wanted))
    asked = [condition.format(number) for number, (condition, _) in enumerate(conditions, 2)]
    where = " AND ".join(["r.deleted_at IS NULL", *asked])
    values = tuple(value for _, value in conditions)
    order = f"ORDER BY r.{NAME}, r.id LIMIT $1"
    found = await rows_where(session, wanted.what, f"{where} {order}", wanted.limit, *values)
    if wanted.what != "trigger":
        return found
    ids = [one.row.id for one in found if one.row is not None]
    among = f"{TIMINGS} WHERE m.trigger_id = ANY($1::bigint[])"
    timings = {row[0]: timing_of(row) for row in await session.ask(among, ids)}
    return [
        one if one.row is None else replace(one, timing=timings.get(one.row.id)) for one in found
    ]


def _conditions(wanted: RowFilter) -> Iterator[tuple[str, object]]:
    table = TABLES[wanted.what][0]
    if wanted.after is not None:
        before = f"(SELECT {NAME}, id FROM {table} WHERE id = ${{}})"  # noqa: S608 - our own table
        yield f"(r.{NAME}, r.id) > {before}", wanted.after
    if wanted.kind is not None:
        yield "r.kind = ${}", wanted.kind
    if wanted.trigger_id is not None:
        yield "r.trigger_id = ${}", wanted.trigger_id
    if wanted.workload_id is not None:
        yield "r.workload_id = ${}", wanted.workload_id


async def _moves(session: Session, seen: Seen) -> Moves:
    new = await session.ask(NEW_RUNS, seen.since, seen.limit)
    watched = await session.ask(WATCHED, list(seen.watched))
    runs = (*new, *watched, *await session.ask(AT_WORK, seen.limit))
    revised = await session.ask(REVISED, seen.since, seen.limit)
    return Moves(
        generation=await session.one(sql.GENERATION),
        events=list(map(event_of, await session.ask(NEW_EVENTS, seen.since, seen.limit))),
        runs={RunId(number): Place(RunState(state), attempt) for number, state, attempt in runs},
        new_runs=len(new),
        revised=list(map(Revised._make, revised)),
        paused=frozenset(TriggerId(row[0]) for row in await session.ask(PAUSED)),
    )
