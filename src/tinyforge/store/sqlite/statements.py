"""The hot statements. Rows travel as one JSON array for each, sorted by the key that is written.

No RETURNING, no executemany, no fetch loop in the writer: the driver lets the interpreter go at
every step. `changes()` is compared with the batch instead.
"""

DUE = """
SELECT trigger_id, spec_id, epoch, since, base, opening, last_fired_at, decided_until, due_at,
  revision_id
FROM timing WHERE (due_at, trigger_id) > (?1, ?2) AND due_at <= ?3
ORDER BY due_at, trigger_id LIMIT ?4"""

NEXT_DUE = "SELECT due_at FROM timing WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1"

SPECS = "SELECT id, text FROM specs WHERE id IN (SELECT value FROM json_each(?))"

UNPLANNED = """
SELECT what, row_id, last_fired_changed, changes FROM unplanned ORDER BY what, row_id LIMIT ?"""

# In the order of the ids, then of the bindings: outer joins keep it, and a sort would cost more.
ROUTES = """
SELECT ids.value, CASE WHEN t.broken IS NULL THEN t.name END,
  t.kind = 'schedule' AND t.enabled = 1 AND t.deleted_at IS NULL AND t.broken IS NULL,
  b.id, b.workload_id,
  CASE WHEN b.broken IS NULL THEN b.rule END, CASE WHEN b.broken IS NULL THEN b.enabled ELSE 1 END,
  CASE WHEN w.broken IS NULL THEN w.queue END, CASE WHEN w.broken IS NULL THEN w.kind END,
  CASE WHEN w.broken IS NULL THEN w.idempotent END,
  CASE WHEN w.id IS NULL THEN 'its workload is gone' ELSE coalesce(b.broken, w.broken) END
FROM json_each(?) ids
LEFT JOIN triggers t ON t.id = ids.value
LEFT JOIN bindings b ON b.trigger_id = ids.value AND b.deleted_at IS NULL
LEFT JOIN workloads w ON w.id = b.workload_id AND w.deleted_at IS NULL"""

# The same where a hand left bytes that are no text, and no sweep has seen them yet.
_COLUMNS = tuple("abcdefghijk")
ROUTES_IN_BYTES = (
    f"WITH routes({', '.join(_COLUMNS)}) AS ({ROUTES}) SELECT "  # noqa: S608 - our own columns
    + ", ".join(f"iif(typeof({c}) = 'text', CAST({c} AS BLOB), {c})" for c in _COLUMNS)
    + " FROM routes"
)

ADVANCE = """
UPDATE timing SET last_fired_at = b.last, base = b.base, decided_until = ?2, due_at = b.next
FROM (SELECT value ->> 0 AS id, value ->> 1 AS due, value ->> 2 AS last, value ->> 3 AS base,
  value ->> 4 AS next FROM jsonb_each(?1)) b
WHERE timing.trigger_id = b.id AND timing.due_at = b.due"""

EVENTS = """
INSERT INTO events(id, trigger_id, epoch, window_at, accepted_at, last_at, folded, folded_from,
  revision_id, fanned_at)
SELECT value ->> 5, value ->> 0, value ->> 6, value ->> 7, ?2, value ->> 2, value ->> 8,
  value ->> 9, value ->> 10, ?3
FROM jsonb_each(?1) WHERE value ->> 5 IS NOT NULL"""

REPEATED = """
SELECT e.trigger_id FROM jsonb_each(?1) b JOIN events e
ON e.window_at = b.value ->> 7 AND e.trigger_id = b.value ->> 0 AND e.epoch = b.value ->> 6"""

REPEATED_SPANS = """
SELECT s.trigger_id FROM jsonb_each(?1) b JOIN spans s ON s.trigger_id = b.value ->> 0
AND s.epoch = b.value ->> 1 AND s.from_at = b.value ->> 2 AND s.reason = b.value ->> 4"""

SPANS = """
INSERT INTO spans(trigger_id, epoch, from_at, until_at, reason, count, revision_id, decided_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  ?2
FROM jsonb_each(?1)"""

FANNED = """
UPDATE events SET fanned_at = ?2
WHERE id IN (SELECT value FROM json_each(?1)) AND fanned_at IS NULL"""

QUEUED_RUNS = """
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 2, ?2, value ->> 4 FROM jsonb_each(?1)"""

BORN_RUNNING = """
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at, attempt, owner,
  started_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 3, ?2, value ->> 4, 1, ?3, ?2
FROM jsonb_each(?1)"""

BORN_SUPERSEDED = """
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at, ended_at,
  superseded_by)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 7, ?2, value ->> 4, ?2, value ->> 5
FROM jsonb_each(?1)"""

SUPERSEDE = """
UPDATE runs SET state = 7, ended_at = ?2, superseded_by = b.by
FROM (SELECT value ->> 0 AS id, value ->> 1 AS by FROM jsonb_each(?1)) b
WHERE runs.id = b.id AND runs.state = 2"""

RESULTS = """
INSERT INTO results(event_id, binding_id, outcome, reason)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?1)"""

READY_SOONER = """
UPDATE runs SET ready_at = max(?1, ready_at - ?2) WHERE state = 2 AND ready_at > ?1"""

# Row by row, and a batch at once.
TAKE = (
    """
UPDATE runs SET state = 3, started_at = ?2, attempt = attempt + 1, owner = ?3
WHERE id = ?1 AND state = 2""",
    """
UPDATE runs SET state = 3, started_at = ?2, attempt = attempt + 1, owner = ?3
WHERE id IN (SELECT value ->> 0 FROM jsonb_each(?1)) AND state = 2""",
)

FINISH = (
    """
UPDATE runs SET state = ?3, started_at = ?4, ended_at = ?5, error = ?6, ready_at = ?7,
  superseded_by = ?8, attempt = ?2 - ?9
WHERE id = ?1 AND state = 3 AND owner = ?10 AND attempt = ?2""",
    """
UPDATE runs SET state = b.state, started_at = b.began, ended_at = b.ended, error = b.error,
  ready_at = b.ready, superseded_by = b.by, attempt = b.attempt - b.given_back
FROM (SELECT value ->> 0 AS id, value ->> 1 AS attempt, value ->> 2 AS state, value ->> 3 AS began,
  value ->> 4 AS ended, value ->> 5 AS error, value ->> 6 AS ready, value ->> 7 AS by,
  value ->> 8 AS given_back FROM jsonb_each(?1)) b
WHERE runs.id = b.id AND runs.state = 3 AND runs.owner = ?2 AND runs.attempt = b.attempt""",
)

ATTEMPTS = """
INSERT INTO attempts(run_id, n, owner, started_at, ended_at, outcome, error)
SELECT value ->> 0, value ->> 1, ?2, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM jsonb_each(?1)"""

DRAFTED = """
INSERT INTO events(id, trigger_id, key, accepted_at, facts, actor, ruleless, revision_id)
SELECT b.id, b.trigger_id, b.key, ?2, b.facts, b.actor, b.ruleless, t.revision_id
FROM (SELECT value ->> 0 AS id, value ->> 1 AS trigger_id, value ->> 2 AS key, value ->> 3 AS facts,
  value ->> 4 AS actor, value ->> 5 AS ruleless FROM jsonb_each(?1)) b
LEFT JOIN triggers t ON t.id = b.trigger_id
WHERE true ON CONFLICT DO NOTHING"""

MARK = """
INSERT INTO facts(name, value) VALUES ('high_water', ?1)
ON CONFLICT DO UPDATE SET value = max(value, ?1)"""

MATCHES = """
INSERT INTO matches(run_id, place, reason)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?1)"""

CHANGES_OF = """
SELECT run_id, place FROM matches
WHERE run_id IN (SELECT value FROM json_each(?)) AND place IS NOT NULL"""
