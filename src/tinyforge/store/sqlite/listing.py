"""Pages of rows, and what has moved: in the reader's thread, each answer one snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import apsw
from msgspec.structs import replace

from tinyforge.model import Binding, Event, Run, RunId, RunState, TriggerId
from tinyforge.store import cells
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
from tinyforge.store.rows import RUN_COLUMNS, event_of, run_of, span_of
from tinyforge.store.sqlite.config import ALIVE, AMONG, TABLES, TIMINGS, named_row, rows_where
from tinyforge.store.sqlite.history import EVENT, SPAN_COLUMNS
from tinyforge.store.sqlite.hot import EVENT_COLUMNS
from tinyforge.store.sqlite.parts import GENERATION, Parts, ask, text

KEYED = f"{EVENT} WHERE trigger_id = ?1 AND key = ?2"
LEDGER_EVENTS = f"""
{EVENT} WHERE window_at <= ?2 AND trigger_id = ?1 AND (window_at, epoch) < (?2, ?3)
ORDER BY window_at DESC, epoch DESC LIMIT ?4"""
LEDGER_SPANS = f"""
SELECT {SPAN_COLUMNS} FROM spans WHERE trigger_id = ?1 AND (until_at, epoch) < (?2, ?3)
ORDER BY until_at DESC, epoch DESC LIMIT ?4"""  # noqa: S608 - our own columns
NEW_EVENTS = f"""
SELECT {EVENT_COLUMNS.replace(" facts", " NULL")} FROM events WHERE id > ?1
ORDER BY id LIMIT ?2"""  # noqa: S608 - our own columns
NEW_RUNS = "SELECT id, state, attempt FROM runs WHERE id > ?1 ORDER BY id LIMIT ?2"
WATCHED = """
SELECT id, state, attempt FROM runs WHERE id IN (SELECT value FROM json_each(?1))"""
AT_WORK = "SELECT id, state, attempt FROM runs WHERE state = 3 LIMIT ?1"
REVISED = "SELECT id, what, row_id FROM revisions WHERE id > ?1 ORDER BY id LIMIT ?2"
PAUSED = "SELECT trigger_id FROM timing WHERE typeof(paused_at) = 'integer'"
LAST_PLACE = LedgerPlace(2**63 - 1, 2**63 - 1)


class ListingRows:
    _parts: Parts

    async def rows(self, wanted: RowFilter) -> list[Inspected]:
        return await self._parts.read(lambda db: _rows(db, wanted))

    async def binding_named(self, name: str) -> Binding:
        found = await self._parts.read(lambda db: named_row(db, "binding", name))
        assert isinstance(found, Binding)  # noqa: S101 - narrows the table's row type
        return found

    async def bindings_of_rows(self, what: What, ids: Sequence[int]) -> list[Binding]:
        where = f"r.{what}_id IN (SELECT value FROM json_each(?)) AND {ALIVE} ORDER BY r.id"  # noqa: S608 - our own column
        wanted = text(list(ids))
        found = await self._parts.read(lambda db: rows_where(db, "binding", where, (wanted,)))
        return [one.row for one in found if isinstance(one.row, Binding)]

    async def event_keyed(self, trigger_id: TriggerId, key: str) -> Event | None:
        rows = await self._parts.read(lambda db: ask(db, KEYED, (trigger_id, key)))
        return event_of(rows[0]) if rows else None

    async def ledger(self, trigger_id: TriggerId, below: LedgerPlace | None, limit: int) -> Ledger:
        values = (trigger_id, *(below or LAST_PLACE), limit)

        def query(db: apsw.Connection) -> Ledger:
            return Ledger(
                events=list(map(event_of, ask(db, LEDGER_EVENTS, values))),
                spans=list(map(span_of, ask(db, LEDGER_SPANS, values))),
            )

        return await self._parts.read(query)

    async def moves(self, seen: Seen) -> Moves:
        watched = text(list(seen.watched))
        return await self._parts.read(lambda db: _moves(db, seen, watched))

    async def runs_by_id(self, ids: Sequence[RunId]) -> list[Run]:
        query = (
            f"SELECT {RUN_COLUMNS} FROM runs"  # noqa: S608 - our own columns
            " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        )
        wanted = text(list(ids))
        return list(map(run_of, await self._parts.read(lambda db: ask(db, query, (wanted,)))))


def _rows(db: apsw.Connection, wanted: RowFilter) -> list[Inspected]:
    conditions = list(_conditions(wanted))
    where = " AND ".join([ALIVE, *(condition for condition, _ in conditions)])
    values = tuple(value for _, value in conditions)
    order = "ORDER BY r.name, r.id LIMIT ?"
    found = rows_where(db, wanted.what, f"{where} {order}", (*values, wanted.limit))
    if wanted.what != "trigger":
        return found
    ids = text([one.row.id for one in found if one.row is not None])
    timings = {row[0]: cells.timing_of(row) for row in ask(db, f"{TIMINGS} {AMONG}", (ids,))}
    return [
        one if one.row is None else replace(one, timing=timings.get(one.row.id)) for one in found
    ]


def _conditions(wanted: RowFilter) -> Iterator[tuple[str, object]]:
    table = TABLES[wanted.what][0]
    if wanted.after is not None:
        yield f"(r.name, r.id) > (SELECT name, id FROM {table} WHERE id = ?)", wanted.after  # noqa: S608 - our own table
    if wanted.kind is not None:
        yield "r.kind = ?", wanted.kind
    if wanted.trigger_id is not None:
        yield "r.trigger_id = ?", wanted.trigger_id
    if wanted.workload_id is not None:
        yield "r.workload_id = ?", wanted.workload_id


def _moves(db: apsw.Connection, seen: Seen, watched: str) -> Moves:
    new = ask(db, NEW_RUNS, (seen.since, seen.limit))
    runs = (*new, *ask(db, WATCHED, (watched,)), *ask(db, AT_WORK, (seen.limit,)))
    return Moves(
        generation=ask(db, GENERATION)[0][0],
        events=list(map(event_of, ask(db, NEW_EVENTS, (seen.since, seen.limit)))),
        runs={RunId(number): Place(RunState(state), attempt) for number, state, attempt in runs},
        new_runs=len(new),
        revised=list(map(Revised._make, ask(db, REVISED, (seen.since, seen.limit)))),
        paused=frozenset(TriggerId(row[0]) for row in ask(db, PAUSED)),
    )
