"""History as people and `verify` read it: in the reader's thread, each answer one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import apsw
from backports import zstd

from tinyforge.clock import Moment
from tinyforge.errors import NotFound
from tinyforge.ids import show
from tinyforge.model import (
    Attempt,
    BindingId,
    Event,
    EventId,
    Result,
    Run,
    RunId,
    TriggerId,
)
from tinyforge.schedule.spec import LATEST
from tinyforge.store import cells
from tinyforge.store.port import (
    EpochRow,
    EventFilter,
    LogChunk,
    MissingResult,
    RunFilter,
    SpanRow,
    TriggerHistory,
)
from tinyforge.store.rows import (
    RUN_COLUMNS,
    Page,
    attempt_of,
    epoch_of,
    event_of,
    histories_of,
    results_of,
    run_of,
    span_of,
)
from tinyforge.store.sqlite.config import TIMINGS
from tinyforge.store.sqlite.hot import EVENT_COLUMNS
from tinyforge.store.sqlite.parts import Parts, ask, text

BEFORE_ALL = -(2**63)
MOST_LOG_BYTES = 1024 * 1024
EVENT = f"SELECT {EVENT_COLUMNS} FROM events"  # noqa: S608 - our own columns
RUN = f"SELECT {RUN_COLUMNS} FROM runs"  # noqa: S608 - our own columns
NAMED = "SELECT id FROM {} WHERE name IN (SELECT value FROM json_each(?))"
OF_TRIGGERS = f"trigger_id IN ({NAMED.format('triggers')})"
OF_EITHER = f"""
(binding_id IN (SELECT id FROM bindings WHERE {OF_TRIGGERS})
 OR workload_id IN ({NAMED.format("workloads")}))"""  # noqa: S608 - our own query
RESULTS_OF = """
SELECT event_id, binding_id, outcome, reason, NULL FROM results
WHERE event_id IN (SELECT value FROM json_each(?1))
UNION ALL
SELECT event_id, binding_id, 'matched', coalesce(m.reason, 'matched'), id
FROM runs LEFT JOIN matches m ON m.run_id = runs.id
WHERE event_id IN (SELECT value FROM json_each(?1)) ORDER BY 1, 2"""
LOG = "SELECT seq, at, bytes, chunk FROM run_log WHERE run_id = ?1 AND seq > ?2 ORDER BY seq"
AT_WINDOW = f"{EVENT} WHERE window_at = ?1 AND trigger_id = ?2 ORDER BY epoch DESC LIMIT 1"
FOLDED_AT = f"""
{EVENT} WHERE window_at > ?1 AND trigger_id = ?2 AND folded_from <= ?1
ORDER BY window_at LIMIT 1"""
FIRE_BEFORE = f"""
{EVENT} WHERE window_at < ?1 AND trigger_id = ?2 ORDER BY window_at DESC, epoch DESC LIMIT 1"""
SPAN_COLUMNS = "trigger_id, epoch, from_at, until_at, reason, count, decided_at, revision_id"
SPAN_AT = f"""
SELECT {SPAN_COLUMNS} FROM spans
WHERE trigger_id = ?2 AND from_at <= ?1 AND until_at >= ?1 ORDER BY epoch DESC LIMIT 1"""  # noqa: S608 - our own columns
EPOCHS = """
SELECT e.trigger_id, e.epoch, e.since, e.base, e.opening, e.decided_from, e.before_until, s.text,
  e.zone_data, e.why, e.revision_id FROM epochs e LEFT JOIN specs s ON s.id = e.spec_id
WHERE e.trigger_id IN (SELECT value FROM json_each(?)) ORDER BY e.trigger_id, e.epoch"""
SCHEDULES = "SELECT trigger_id FROM timing WHERE trigger_id > ?1 ORDER BY trigger_id LIMIT ?2"
FIRED = """
SELECT trigger_id, id, epoch, window_at, last_at, folded, folded_from, accepted_at,
  fanned_at IS NOT NULL
FROM events WHERE window_at IS NOT NULL AND trigger_id IN (SELECT value FROM json_each(?))
ORDER BY epoch, window_at"""
SPANS_OF = f"""
SELECT {SPAN_COLUMNS} FROM spans WHERE trigger_id IN (SELECT value FROM json_each(?))
ORDER BY epoch, from_at"""  # noqa: S608 - our own columns
PROVED = """
SELECT id, proved_from FROM triggers
WHERE typeof(proved_from) = 'integer' AND id IN (SELECT value FROM json_each(?))"""
# The bindings are read first: SQLite would go through all of them for each event.
WITHOUT_RESULTS = f"""
WITH b AS MATERIALIZED (SELECT b.id, b.trigger_id, b.deleted_at, min(v.from_at) AS since
  FROM bindings b JOIN revisions v ON v.row_id = b.id AND v.what = 'binding' GROUP BY b.id)
SELECT e.id, b.id FROM events e JOIN b ON b.trigger_id = e.trigger_id
WHERE e.fanned_at IS NOT NULL AND b.since < e.fanned_at
  AND (b.deleted_at IS NULL OR b.deleted_at > e.fanned_at AND b.deleted_at <= {LATEST})
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event_id = e.id AND r.binding_id = b.id)
  AND NOT EXISTS (SELECT 1 FROM results x WHERE x.event_id = e.id AND x.binding_id = b.id)
LIMIT ?"""  # noqa: S608 - a number of ours


async def find_run(parts: Parts, run_id: RunId) -> Run:
    """Read one run in the reader's thread; NotFound."""
    rows = await parts.read(lambda db: ask(db, f"{RUN} WHERE id = ?", (run_id,)))
    if not rows:
        raise NotFound("run", show("run", run_id))
    return run_of(rows[0])


class HistoryRows:
    _parts: Parts

    async def events(self, wanted: EventFilter) -> list[Event]:
        where, values = _conditions(
            ("trigger_id = ?", wanted.trigger_id),
            ("trigger_id IN (SELECT id FROM triggers WHERE kind = ?)", wanted.kind),
            (OF_TRIGGERS, None if wanted.among is None else _listed(wanted.among)),
            ("id >= ?", wanted.since),
            ("id < ?", wanted.before),
        )
        query = f"{EVENT} {where} ORDER BY id DESC LIMIT ?"
        rows = await self._parts.read(lambda db: ask(db, query, (*values, wanted.limit)))
        return list(map(event_of, rows))

    async def event(self, event_id: EventId) -> Event:
        rows = await self._parts.read(lambda db: ask(db, f"{EVENT} WHERE id = ?", (event_id,)))
        if not rows:
            raise NotFound("event", show("evt", event_id))
        return event_of(rows[0])

    async def results(self, event_ids: Sequence[EventId]) -> dict[EventId, list[Result]]:
        wanted = text(list(event_ids))
        rows = await self._parts.read(lambda db: ask(db, RESULTS_OF, (wanted,)))
        return results_of(event_ids, rows)

    async def runs(self, wanted: RunFilter) -> list[Run]:
        where, values = _conditions(
            ("workload_id = ?", wanted.workload_id),
            ("binding_id IN (SELECT id FROM bindings WHERE trigger_id = ?)", wanted.trigger_id),
            (OF_EITHER, None if wanted.among is None else tuple(map(_listed, wanted.among))),
            ("event_id = ?", wanted.event_id),
            ("state = ?", None if wanted.state is None else int(wanted.state)),
            ("id >= ?", wanted.since),
            ("id < ?", wanted.before),
        )
        query = f"{RUN} {where} ORDER BY id DESC LIMIT ?"
        rows = await self._parts.read(lambda db: ask(db, query, (*values, wanted.limit)))
        return list(map(run_of, rows))

    async def run(self, run_id: RunId) -> Run:
        return await find_run(self._parts, run_id)

    async def attempts(self, run_id: RunId) -> list[Attempt]:
        query = (
            "SELECT run_id, n, owner, started_at, ended_at, outcome, error FROM attempts"
            " WHERE run_id = ? ORDER BY n"
        )
        rows = await self._parts.read(lambda db: ask(db, query, (run_id,)))
        return list(map(attempt_of, rows))

    async def log(self, run_id: RunId, after: int = -1) -> list[LogChunk]:
        return await self._parts.read(lambda db: _log(db, run_id, after))

    async def event_at(self, trigger_id: TriggerId, moment: Moment) -> Event | None:
        def query(db: apsw.Connection) -> Event | None:
            for statement in (AT_WINDOW, FOLDED_AT):
                if rows := ask(db, statement, (moment, trigger_id)):
                    return event_of(rows[0])
            return None

        return await self._parts.read(query)

    async def fire_before(self, trigger_id: TriggerId, moment: Moment) -> Event | None:
        rows = await self._parts.read(lambda db: ask(db, FIRE_BEFORE, (moment, trigger_id)))
        return event_of(rows[0]) if rows else None

    async def proved_from(self, trigger_id: TriggerId) -> Moment | None:
        rows = await self._parts.read(lambda db: ask(db, PROVED, (text([trigger_id]),)))
        return rows[0][1] if rows else None

    async def span_at(self, trigger_id: TriggerId, moment: Moment) -> SpanRow | None:
        rows = await self._parts.read(lambda db: ask(db, SPAN_AT, (moment, trigger_id)))
        return span_of(rows[0]) if rows else None

    async def spans(self, trigger_id: TriggerId, limit: int) -> list[SpanRow]:
        query = (
            f"SELECT {SPAN_COLUMNS} FROM spans WHERE trigger_id = ? ORDER BY from_at DESC LIMIT ?"  # noqa: S608 - our own columns
        )
        rows = await self._parts.read(lambda db: ask(db, query, (trigger_id, limit)))
        return list(map(span_of, rows))

    async def epochs(self, trigger_id: TriggerId) -> list[EpochRow]:
        wanted = text([trigger_id])
        rows = await self._parts.read(lambda db: ask(db, EPOCHS, (wanted,)))
        return list(map(epoch_of, rows))

    async def histories(self, after: TriggerId | None, limit: int) -> list[TriggerHistory]:
        return await self._parts.read(lambda db: _histories(db, after, limit))

    async def events_without_results(self, limit: int) -> list[MissingResult]:
        rows = await self._parts.read(lambda db: ask(db, WITHOUT_RESULTS, (limit,)))
        return [MissingResult(EventId(e), BindingId(b)) for e, b in rows]


def _conditions(*pairs: tuple[str, object]) -> tuple[str, tuple[object, ...]]:
    given = [(condition, value) for condition, value in pairs if value is not None]
    where = " AND ".join(condition for condition, _ in given)
    values = (value if isinstance(value, tuple) else (value,) for _, value in given)
    return f"WHERE {where}" if where else "", tuple(chain.from_iterable(values))


def _listed(names: frozenset[str]) -> str:
    return text(sorted(names))


def _log(db: apsw.Connection, run_id: RunId, after: int) -> list[LogChunk]:
    chunks: list[LogChunk] = []
    left = MOST_LOG_BYTES
    for seq, at, size, packed in db.execute(LOG, (run_id, after)):
        left -= size
        if left < 0 and chunks:
            break
        lines = zstd.decompress(packed).decode(errors="replace").split("\n")
        chunks.append(LogChunk(seq=seq, at=at, lines=lines))
    return chunks


def _histories(db: apsw.Connection, after: TriggerId | None, limit: int) -> list[TriggerHistory]:
    found = ask(db, SCHEDULES, (BEFORE_ALL if after is None else after, limit))
    ids = [TriggerId(row[0]) for row in found]
    wanted = (text(ids),)
    within = "WHERE m.trigger_id IN (SELECT value FROM json_each(?))"
    timings = {row[0]: cells.timing_of(row) for row in ask(db, f"{TIMINGS} {within}", wanted)}
    page = Page(
        timings=timings,
        names=_names(db, wanted),
        proved=dict(ask(db, PROVED, wanted)),
        epochs=ask(db, EPOCHS, wanted),
        fired=ask(db, FIRED, wanted),
        spans=ask(db, SPANS_OF, wanted),
    )
    return histories_of(ids, page)


def _names(db: apsw.Connection, wanted: tuple[str]) -> dict[int, str]:
    query = (
        "SELECT id, CAST(name AS BLOB) FROM triggers WHERE id IN (SELECT value FROM json_each(?))"
    )
    rows = ask(db, query, wanted)
    return {number: name.decode(errors="replace") for number, name in rows}
