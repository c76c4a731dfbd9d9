"""History as people and `verify` read it, each answer one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

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
from tinyforge.store.port import (
    EpochRow,
    EventFilter,
    LogChunk,
    MissingResult,
    RunFilter,
    SpanRow,
    TriggerHistory,
)
from tinyforge.store.postgres.config import TIMINGS, timing_of
from tinyforge.store.postgres.connection import Session, as_json
from tinyforge.store.postgres.hot import EVENT_COLUMNS
from tinyforge.store.postgres.parts import Parts
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

BEFORE_ALL = -(2**63)
MOST_LOG_BYTES = 1024 * 1024
EVENT = f"SELECT {EVENT_COLUMNS} FROM events"  # noqa: S608 - our own columns
RUN = f"SELECT {RUN_COLUMNS} FROM runs"  # noqa: S608 - our own columns
OF_TRIGGERS = "trigger_id IN (SELECT id FROM triggers WHERE name = ANY({}::text[]))"
OF_EITHER = """
(binding_id IN (SELECT b.id FROM bindings b JOIN triggers t ON t.id = b.trigger_id
   WHERE t.name IN (SELECT jsonb_array_elements_text({0}::jsonb -> 0)))
 OR workload_id IN (SELECT id FROM workloads
   WHERE name IN (SELECT jsonb_array_elements_text({0}::jsonb -> 1))))"""
RESULTS_OF = """
SELECT event_id, binding_id, outcome, reason, NULL::bigint FROM results
WHERE event_id = ANY($1::bigint[])
UNION ALL
SELECT event_id, binding_id, 'matched', coalesce(m.reason, 'matched'), id
FROM runs LEFT JOIN matches m ON m.run_id = runs.id
WHERE event_id = ANY($1::bigint[]) ORDER BY 1, 2"""
LOG = """
SELECT seq, at, chunk FROM (
  SELECT seq, at, chunk, row_number() OVER (ORDER BY seq) AS n,
    sum(bytes) OVER (ORDER BY seq) AS size
  FROM run_log WHERE run_id = $1 AND seq > $2) l
WHERE n = 1 OR size <= $3 ORDER BY seq"""
ATTEMPTS = """
SELECT run_id, n, owner, started_at, ended_at, outcome, error FROM attempts
WHERE run_id = $1 ORDER BY n"""
AT_WINDOW = f"{EVENT} WHERE window_at = $1 AND trigger_id = $2 ORDER BY epoch DESC LIMIT 1"
FOLDED_AT = f"""
{EVENT} WHERE window_at > $1 AND trigger_id = $2 AND folded_from <= $1
ORDER BY window_at LIMIT 1"""
FIRE_BEFORE = f"""
{EVENT} WHERE window_at < $1 AND trigger_id = $2 ORDER BY window_at DESC, epoch DESC LIMIT 1"""
SPAN_COLUMNS = "trigger_id, epoch, from_at, until_at, reason, count, decided_at, revision_id"
NEWEST_SPANS = f"""
SELECT {SPAN_COLUMNS} FROM spans WHERE trigger_id = $1 ORDER BY from_at DESC LIMIT $2"""  # noqa: S608 - our own columns
SPAN_AT = f"""
SELECT {SPAN_COLUMNS} FROM spans
WHERE trigger_id = $2 AND from_at <= $1 AND until_at >= $1 ORDER BY epoch DESC LIMIT 1"""  # noqa: S608 - our own columns
EPOCHS = """
SELECT e.trigger_id, e.epoch, e.since, e.base, e.opening, e.decided_from, e.before_until, s.text,
  e.zone_data, e.why, e.revision_id FROM epochs e LEFT JOIN specs s ON s.id = e.spec_id
WHERE e.trigger_id = ANY($1::bigint[]) ORDER BY e.trigger_id, e.epoch"""
SCHEDULES = "SELECT trigger_id FROM timing WHERE trigger_id > $1 ORDER BY trigger_id LIMIT $2"
FIRED = """
SELECT trigger_id, id, epoch, window_at, last_at, folded, folded_from, accepted_at,
  fanned_at IS NOT NULL
FROM events WHERE window_at IS NOT NULL AND trigger_id = ANY($1::bigint[])
ORDER BY epoch, window_at"""
SPANS_OF = f"""
SELECT {SPAN_COLUMNS} FROM spans WHERE trigger_id = ANY($1::bigint[])
ORDER BY epoch, from_at"""  # noqa: S608 - our own columns
PROVED = """
SELECT id, proved_from FROM triggers
WHERE proved_from IS NOT NULL AND id = ANY($1::bigint[])"""
NAMES = "SELECT id, name FROM triggers WHERE id = ANY($1::bigint[])"
WITHOUT_RESULTS = f"""
SELECT e.id, b.id FROM events e JOIN bindings b ON b.trigger_id = e.trigger_id
WHERE e.fanned_at IS NOT NULL
  AND (SELECT min(v.from_at) FROM revisions v
       WHERE v.row_id = b.id AND v.what = 'binding') < e.fanned_at
  AND (b.deleted_at IS NULL OR b.deleted_at > e.fanned_at AND b.deleted_at <= {LATEST})
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event_id = e.id AND r.binding_id = b.id)
  AND NOT EXISTS (SELECT 1 FROM results x WHERE x.event_id = e.id AND x.binding_id = b.id)
LIMIT $1"""  # noqa: S608 - a number of ours


async def find_run(parts: Parts, run_id: RunId) -> Run:
    """Read one run; NotFound."""
    rows = await parts.database.ask(f"{RUN} WHERE id = $1", run_id)
    if not rows:
        raise NotFound("run", show("run", run_id))
    return run_of(rows[0])


class HistoryRows:
    _parts: Parts

    async def events(self, wanted: EventFilter) -> list[Event]:
        where, values = _conditions(
            ("trigger_id = {}", wanted.trigger_id),
            ("trigger_id IN (SELECT id FROM triggers WHERE kind = {})", wanted.kind),
            (OF_TRIGGERS, None if wanted.among is None else sorted(wanted.among)),
            ("id >= {}", wanted.since),
            ("id < {}", wanted.before),
        )
        query = f"{EVENT} {where} ORDER BY id DESC LIMIT {wanted.limit}"
        return list(map(event_of, await self._parts.database.ask(query, *values)))

    async def event(self, event_id: EventId) -> Event:
        rows = await self._parts.database.ask(f"{EVENT} WHERE id = $1", event_id)
        if not rows:
            raise NotFound("event", show("evt", event_id))
        return event_of(rows[0])

    async def results(self, event_ids: Sequence[EventId]) -> dict[EventId, list[Result]]:
        rows = await self._parts.database.ask(RESULTS_OF, list(event_ids))
        return results_of(event_ids, rows)

    async def runs(self, wanted: RunFilter) -> list[Run]:
        where, values = _conditions(
            ("workload_id = {}", wanted.workload_id),
            ("binding_id IN (SELECT id FROM bindings WHERE trigger_id = {})", wanted.trigger_id),
            (OF_EITHER, None if wanted.among is None else as_json(list(map(sorted, wanted.among)))),
            ("event_id = {}", wanted.event_id),
            ("state = {}", None if wanted.state is None else int(wanted.state)),
            ("id >= {}", wanted.since),
            ("id < {}", wanted.before),
        )
        query = f"{RUN} {where} ORDER BY id DESC LIMIT {wanted.limit}"
        return list(map(run_of, await self._parts.database.ask(query, *values)))

    async def run(self, run_id: RunId) -> Run:
        return await find_run(self._parts, run_id)

    async def attempts(self, run_id: RunId) -> list[Attempt]:
        return list(map(attempt_of, await self._parts.database.ask(ATTEMPTS, run_id)))

    async def log(self, run_id: RunId, after: int = -1) -> list[LogChunk]:
        rows = await self._parts.database.ask(LOG, run_id, after, MOST_LOG_BYTES)
        return [
            LogChunk(
                seq=seq, at=at, lines=zstd.decompress(packed).decode(errors="replace").split("\n")
            )
            for seq, at, packed in rows
        ]

    async def event_at(self, trigger_id: TriggerId, moment: Moment) -> Event | None:
        async def query(session: Session) -> Event | None:
            for statement in (AT_WINDOW, FOLDED_AT):
                if rows := await session.ask(statement, moment, trigger_id):
                    return event_of(rows[0])
            return None

        return await self._parts.database.read(query)

    async def fire_before(self, trigger_id: TriggerId, moment: Moment) -> Event | None:
        rows = await self._parts.database.ask(FIRE_BEFORE, moment, trigger_id)
        return event_of(rows[0]) if rows else None

    async def proved_from(self, trigger_id: TriggerId) -> Moment | None:
        rows = await self._parts.database.ask(PROVED, [trigger_id])
        return rows[0][1] if rows else None

    async def span_at(self, trigger_id: TriggerId, moment: Moment) -> SpanRow | None:
        rows = await self._parts.database.ask(SPAN_AT, moment, trigger_id)
        return span_of(rows[0]) if rows else None

    async def spans(self, trigger_id: TriggerId, limit: int) -> list[SpanRow]:
        return list(map(span_of, await self._parts.database.ask(NEWEST_SPANS, trigger_id, limit)))

    async def epochs(self, trigger_id: TriggerId) -> list[EpochRow]:
        return list(map(epoch_of, await self._parts.database.ask(EPOCHS, [trigger_id])))

    async def histories(self, after: TriggerId | None, limit: int) -> list[TriggerHistory]:
        return await self._parts.database.read(lambda s: _histories(s, after, limit))

    async def events_without_results(self, limit: int) -> list[MissingResult]:
        rows = await self._parts.database.ask(WITHOUT_RESULTS, limit)
        return [MissingResult(EventId(e), BindingId(b)) for e, b in rows]


def _conditions(*pairs: tuple[str, object]) -> tuple[str, tuple[object, ...]]:
    given = [(condition, value) for condition, value in pairs if value is not None]
    where = " AND ".join(condition.format(f"${n}") for n, (condition, _) in enumerate(given, 1))
    return f"WHERE {where}" if where else "", tuple(value for _, value in given)


async def _histories(session: Session, after: TriggerId | None, limit: int) -> list[TriggerHistory]:
    found = await session.ask(SCHEDULES, BEFORE_ALL if after is None else after, limit)
    ids = [TriggerId(row[0]) for row in found]
    within = f"{TIMINGS} WHERE m.trigger_id = ANY($1::bigint[])"
    timings = {row[0]: timing_of(row) for row in await session.ask(within, ids)}
    page = Page(
        timings=timings,
        names=dict(await session.ask(NAMES, ids)),
        proved=dict(await session.ask(PROVED, ids)),
        epochs=await session.ask(EPOCHS, ids),
        fired=await session.ask(FIRED, ids),
        spans=await session.ask(SPANS_OF, ids),
    )
    return histories_of(ids, page)
