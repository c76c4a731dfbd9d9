"""The hot statements: whoever waits for whom goes by id.

Rows travel as an array for each column, where there are thousands of them, else as JSON.
"""

from __future__ import annotations

from tinyforge.clock import SECOND

LEFT_TO_ITS_REPLICA = SECOND  # how late another replica's share may be before we help
DUE_COLUMNS = """
SELECT trigger_id, spec_id, epoch, since, base, opening, last_fired_at, decided_until, due_at,
  revision_id FROM timing"""


def unpacked(*columns: str) -> str:
    """Return a table expression over the JSON array $1; `name type` for what is no bigint."""
    cells = []
    for place, column in enumerate(columns):
        name, _, kind = column.partition(" ")
        cast = f"(v ->> {place})" if kind == "text" else f"(v ->> {place})::{kind or 'bigint'}"
        cells.append(f"{cast} AS {name}")
    return f"(SELECT {', '.join(cells)} FROM jsonb_array_elements($1::jsonb) v) b"  # noqa: S608 - our own columns


def arrays(first: int, *columns: str) -> str:
    """Return a table expression over arrays, one for each column, from parameter *first* on."""
    names, kinds = [], []
    for column in columns:
        name, _, kind = column.partition(" ")
        names.append(name)
        kinds.append(kind or "bigint")
    given = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(kinds, start=first))
    return f"unnest({given}) b({', '.join(names)})"


def still(state: int, runs: str = "runs") -> str:
    """Say in which state runs must be that are found by their ids.

    In words that no index of all runs in that state answers: statistics of a moment ago make it
    look so small that it would be gone through once for each id.
    """
    return f"{runs}.state + 0 = {state}"


# Of run r: nobody works for its workload. OFFSET 0 has it looked up for each, and never joined with
# all that are at work, however few those were when the statistics were taken.
IS_FREE = """
NOT EXISTS (SELECT 1 FROM runs o WHERE o.workload_id = r.workload_id AND o.state = 3 OFFSET 0)"""


def _distance(count: int, place: int) -> str:
    """Return how many places from its own replica's we are: one for each row, by a hash of its id.

    Nought is our share.
    """
    share = f"(hashint8(trigger_id) & 2147483647) % ${count}::int"
    return f"((${place}::int - {share} + ${count}::int) % ${count}::int)"


DUE = f"""{DUE_COLUMNS} WHERE (due_at, trigger_id) > ($1, $2) AND due_at <= $3
  AND {_distance(5, 6)} = 0
ORDER BY due_at, trigger_id LIMIT $4"""
# From the end that its own replica reaches last; if two help, not both at once.
LATE = f"""{DUE_COLUMNS} WHERE due_at <= $1::bigint - {LEFT_TO_ITS_REPLICA}
  AND {_distance(3, 4)} > 0
  AND due_at <= $1::bigint - {LEFT_TO_ITS_REPLICA} * {_distance(3, 4)}
ORDER BY due_at DESC, trigger_id DESC LIMIT $2"""

NEXT_DUE = f"""
SELECT least(
  (SELECT due_at FROM timing WHERE due_at IS NOT NULL AND {_distance(1, 2)} = 0
   ORDER BY due_at, trigger_id LIMIT 1),
  (SELECT greatest($3::bigint, due_at + {LEFT_TO_ITS_REPLICA}) FROM timing
   WHERE due_at IS NOT NULL ORDER BY due_at, trigger_id LIMIT 1))"""  # noqa: S608 - our own columns

SPECS = "SELECT id, text FROM specs WHERE id = ANY($1::bigint[])"

UNPLANNED = """
SELECT what, row_id, last_fired_changed, changes FROM unplanned ORDER BY what, row_id LIMIT $1"""

ROUTES = """
SELECT ids.value, CASE WHEN t.broken IS NULL THEN t.name END,
  (t.kind = 'schedule' AND t.enabled = 1 AND t.deleted_at IS NULL AND t.broken IS NULL)::int,
  b.id, b.workload_id,
  CASE WHEN b.broken IS NULL THEN b.rule END, CASE WHEN b.broken IS NULL THEN b.enabled ELSE 1 END,
  CASE WHEN w.broken IS NULL THEN w.queue END, CASE WHEN w.broken IS NULL THEN w.kind END,
  CASE WHEN w.broken IS NULL THEN w.idempotent END,
  CASE WHEN w.id IS NULL THEN 'its workload is gone' ELSE coalesce(b.broken, w.broken) END
FROM unnest($1::bigint[]) WITH ORDINALITY ids(value, place)
LEFT JOIN triggers t ON t.id = ids.value
LEFT JOIN bindings b ON b.trigger_id = ids.value AND b.deleted_at IS NULL
LEFT JOIN workloads w ON w.id = b.workload_id AND w.deleted_at IS NULL
ORDER BY ids.place, b.id"""

STEP = (
    "id",
    "due",
    "last",
    "base",
    "next",
    "fired",
    "epoch",
    "at_window",
    "folded",
    "folded_from",
    "revision",
)
# The steps are sorted, so that two who move the same schedules wait for each other in one order.
# Only what was moved has an event, so that a window that is there already was not decided just now.
ADVANCE = f"""
WITH moved AS (UPDATE timing t
    SET last_fired_at = b.last, base = b.base, decided_until = $1, due_at = b.next
    FROM {arrays(3, *STEP)} WHERE t.trigger_id = b.id AND t.due_at = b.due RETURNING b.*),
  stored AS (INSERT INTO events(id, trigger_id, epoch, window_at, accepted_at, last_at, folded,
      folded_from, revision_id, fanned_at)
    SELECT fired, id, epoch, at_window, $1, last, folded, folded_from, revision, $2
    FROM moved WHERE fired IS NOT NULL)
SELECT count(*) FROM moved"""  # noqa: S608 - our own columns

SPAN = ("trigger_id", "epoch", "from_at", "until_at", "reason text", "count", "revision_id")
SPANS = f"""
INSERT INTO spans(trigger_id, epoch, from_at, until_at, reason, count, revision_id, decided_at)
SELECT b.*, $2::bigint FROM {unpacked(*SPAN)}"""  # noqa: S608 - our own columns

REPEATED = f"""
SELECT e.trigger_id FROM {arrays(1, *STEP)} JOIN events e
ON e.window_at = b.at_window AND e.trigger_id = b.id AND e.epoch = b.epoch"""  # noqa: S608 - our own columns
REPEATED_SPANS = f"""
SELECT s.trigger_id FROM {unpacked(*SPAN)} JOIN spans s ON s.trigger_id = b.trigger_id
AND s.epoch = b.epoch AND s.from_at = b.from_at AND s.reason = b.reason"""  # noqa: S608 - our own columns

HOLD_EVENTS = """
SELECT id FROM events WHERE id = ANY($1::bigint[]) AND fanned_at IS NULL ORDER BY id FOR UPDATE"""
FANNED = "UPDATE events SET fanned_at = $2 WHERE id = ANY($1::bigint[]) AND fanned_at IS NULL"

HOLD_FREE_LANES = """
SELECT id FROM workloads WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"""
LANES = "SELECT workload_id, running, queued, event_id, run_id FROM hold_lanes($1)"

RUN = ("id", "event_id", "binding_id", "workload_id", "ready_at", "repeatable boolean")
QUEUED_RUNS = f"""
INSERT INTO runs(id, event_id, binding_id, workload_id, ready_at, repeatable, state, queued_at)
SELECT b.*, 2, $1::bigint FROM {arrays(2, *RUN)}"""  # noqa: S608 - our own columns
BORN_RUNNING = f"""
INSERT INTO runs(id, event_id, binding_id, workload_id, ready_at, repeatable, state, queued_at,
  started_at, attempt, owner)
SELECT b.*, 3, $1::bigint, $1::bigint, 1, $2::bigint FROM {arrays(3, *RUN)}"""  # noqa: S608 - our own columns
BORN_SUPERSEDED = f"""
INSERT INTO runs(id, event_id, binding_id, workload_id, ready_at, repeatable, superseded_by, state,
  queued_at, ended_at)
SELECT b.*, 7, $1::bigint, $1::bigint FROM {arrays(2, *RUN, "superseded_by")}"""  # noqa: S608 - our own columns
SUPERSEDE = f"""
UPDATE runs SET state = 7, ended_at = $1, superseded_by = b.successor
FROM {arrays(2, "id", "successor")} WHERE runs.id = b.id AND {still(2)}"""  # noqa: S608 - our own columns
RESULTS = f"""
INSERT INTO results(event_id, binding_id, outcome, reason)
SELECT * FROM {unpacked("event_id", "binding_id", "outcome text", "reason text")}"""  # noqa: S608 - our own columns

READY_SOONER = """
UPDATE runs SET ready_at = greatest($1, ready_at - $2), queued_at = least(queued_at, $1)
WHERE state = 2 AND ready_at > $1"""
READY = f"""
SELECT r.id, r.workload_id, r.repeatable FROM runs r
WHERE r.state = 2 AND r.id > 0 AND r.ready_at <= $1 AND r.workload_id <> ALL($3::bigint[])
  AND {IS_FREE}
ORDER BY r.event_id, r.id LIMIT $2"""  # noqa: S608 - our own condition
# Those that wait for their moment have an index of their own.
NEXT_READY = """
SELECT min(ready_at) FROM runs WHERE state = 2 AND ready_at > queued_at AND ready_at > $1"""
# A new statement, for what was read before the lanes were held may have changed.
TAKE = f"""
UPDATE runs r SET state = 3, started_at = $2, attempt = attempt + 1, owner = $3
WHERE id = ANY($1::bigint[]) AND {still(2, "r")}
  AND {IS_FREE}
RETURNING id, event_id, binding_id, workload_id, attempt, repeatable"""  # noqa: S608 - our own condition

END = (
    *("id", "attempt int", "state smallint", "began", "ended", "error text", "ready"),
    *("successor", "given_back int"),
)
# Found by their ids first, for there is no knowing how few runs the statistics say we have.
FINISH = f"""
WITH b AS MATERIALIZED (SELECT * FROM {unpacked(*END)})
UPDATE runs SET state = b.state, started_at = b.began, ended_at = b.ended, error = b.error,
  ready_at = b.ready, superseded_by = b.successor, attempt = b.attempt - b.given_back
FROM b WHERE runs.id = ANY(ARRAY(SELECT id FROM b)) AND runs.id = b.id AND {still(3)}
  AND runs.owner = $2 AND runs.attempt = b.attempt"""  # noqa: S608 - our own columns

ATTEMPTS = f"""
INSERT INTO attempts(run_id, n, started_at, ended_at, outcome, error, owner)
SELECT b.*, $2::bigint
FROM {unpacked("run_id", "n int", "started_at", "ended_at", "outcome text", "error text")}
ON CONFLICT DO NOTHING"""  # noqa: S608 - our own columns

DRAFTED = f"""
INSERT INTO events(id, trigger_id, key, accepted_at, facts, actor, ruleless, revision_id)
SELECT b.id, b.trigger_id, b.key, $2::bigint, b.facts, b.actor, b.ruleless::int, t.revision_id
FROM {unpacked("id", "trigger_id", "key text", "facts text", "actor text", "ruleless boolean")}
LEFT JOIN triggers t ON t.id = b.trigger_id ORDER BY b.id
ON CONFLICT DO NOTHING RETURNING events.id"""  # noqa: S608 - our own columns

GENERATION = "SELECT value FROM marks WHERE name = 'generation'"
HOLD_GENERATION = GENERATION + " FOR SHARE"
NEW_GENERATION = "UPDATE marks SET value = value + 1 WHERE name = 'generation'"
HIGH_WATER = "SELECT value FROM marks WHERE name = 'high_water'"
MARK = "UPDATE marks SET value = $1 WHERE name = 'high_water' AND value < $1"
LOWER_MARK = "UPDATE marks SET value = $1 WHERE name = 'high_water'"

# Other replicas look again at once; where it is lost, at their next heartbeat.
CHANNEL = "tinyforge"
HINT = f"SELECT pg_notify('{CHANNEL}', current_schema() || ':' || $1::text)"
# Of an event: a replica that lives, and is not $1, tries it alone.
TRIED = "s.instance = tried_by AND s.instance <> $1"
# Of an event: its id tells which replica made it; one that lives has made none before its instance.
OWNED = "(e.id >> 12 & 511) = s.replica AND e.id > s.instance"
# Of an event that has no results: for us to fan out, because its replica is gone, or because that
# one lacks its trigger's kind, which is one of $4. Kinds of $3 are left to whoever knows them.
LEFT = f"""
e.fanned_at IS NULL AND NOT EXISTS (SELECT 1 FROM servers s WHERE {TRIED})
AND (NOT EXISTS (SELECT 1 FROM servers s WHERE {OWNED})
  AND NOT EXISTS (SELECT 1 FROM triggers t WHERE t.id = e.trigger_id AND t.kind = ANY($3::text[]))
  OR EXISTS (SELECT 1 FROM servers s JOIN triggers t ON t.id = e.trigger_id WHERE {OWNED}
    AND s.instance <> $1 AND t.kind = ANY($4::text[])
    AND t.kind <> ALL(string_to_array(s.trigger_kinds, ','))))"""  # noqa: S608 - our own columns

# Whether replica s may deploy workload w. An older program takes whatever there is.
FITS = """(s.labels IS NULL OR
  (w.place IS NULL
    OR string_to_array(replace(w.place, ' ', ''), ',') <@ string_to_array(s.labels, ','))
  AND (s.workload_kinds IS NULL OR w.kind = ANY(string_to_array(s.workload_kinds, ','))))"""
BARRED = f"""
SELECT w.id FROM workloads w JOIN servers s ON s.instance = $1
WHERE w.broken IS NULL AND NOT {FITS}"""  # noqa: S608 - our own condition

# Holds our row until the end of the transaction, so that nobody buries us in the middle of it.
OWN_LEASE = """
SELECT (SELECT value FROM marks WHERE name = 'generation') FROM servers
WHERE replica = $1 AND instance = $2 AND lease_until > clock_timestamp() FOR KEY SHARE"""

MATCHES = f"""
INSERT INTO matches(run_id, place, reason)
SELECT * FROM {arrays(1, "run_id", "place", "reason text")}"""  # noqa: S608 - our own columns
CHANGES_OF = """
SELECT run_id, place FROM matches WHERE run_id = ANY($1::bigint[]) AND place IS NOT NULL"""
