-- Moments: bigint, microseconds since 1970 UTC; only a lease is in the database's own time. Ids:
-- 63-bit bigint, ascending, with the number of the replica that made them in bits 12 to 20.

-- Config. `broken` is the reason why a row is not served.
CREATE TABLE triggers(
  id bigint PRIMARY KEY, name text NOT NULL, kind text NOT NULL, config text NOT NULL DEFAULT '{}',
  enabled integer NOT NULL DEFAULT 1, managed_by text NOT NULL DEFAULT 'api',
  revision_id bigint, broken text, proved_from bigint, deleted_at bigint);
CREATE UNIQUE INDEX trigger_name ON triggers(name) WHERE deleted_at IS NULL;

-- Whoever gives a workload's runs another place in its queue holds the lock of its row here.
CREATE TABLE workloads(
  id bigint PRIMARY KEY, name text NOT NULL, kind text NOT NULL, config text NOT NULL DEFAULT '{}',
  queue text NOT NULL DEFAULT 'latest', timeout text, retry text, idempotent integer,
  managed_by text NOT NULL DEFAULT 'api', revision_id bigint, broken text, deleted_at bigint)
  WITH (fillfactor = 80);
CREATE UNIQUE INDEX workload_name ON workloads(name) WHERE deleted_at IS NULL;

CREATE TABLE bindings(
  id bigint PRIMARY KEY, name text NOT NULL, trigger_id bigint NOT NULL, workload_id bigint NOT NULL,
  rule text, enabled integer NOT NULL DEFAULT 1,
  managed_by text NOT NULL DEFAULT 'api', revision_id bigint, broken text, deleted_at bigint);
CREATE UNIQUE INDEX binding_name ON bindings(name) WHERE deleted_at IS NULL;
CREATE INDEX binding_of ON bindings(trigger_id, id) WHERE deleted_at IS NULL;
CREATE INDEX binding_broken ON bindings(id) WHERE broken IS NOT NULL;

CREATE TABLE revisions(
  id bigint PRIMARY KEY, what text NOT NULL, row_id bigint NOT NULL, text text NOT NULL, zone_data text,
  from_at bigint NOT NULL, until_at bigint, author text NOT NULL);
CREATE INDEX revision_of ON revisions(row_id, from_at);

-- Time. One narrow row for each schedule, with room beside it for its next versions.
CREATE TABLE specs(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL UNIQUE);
CREATE TABLE timing(
  trigger_id bigint PRIMARY KEY, due_at bigint, decided_until bigint, last_fired_at bigint,
  base bigint, opening bigint, epoch bigint NOT NULL DEFAULT 1, since bigint, spec_id bigint,
  revision_id bigint, paused_at bigint, disabled_at bigint)
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX timing_due ON timing(due_at, trigger_id) WHERE due_at IS NOT NULL;
CREATE TABLE epochs(
  trigger_id bigint NOT NULL, epoch bigint NOT NULL, since bigint NOT NULL, base bigint NOT NULL,
  opening bigint, decided_from bigint NOT NULL, before_until bigint, spec_id bigint,
  revision_id bigint, zone_data text, why text NOT NULL, PRIMARY KEY(trigger_id, epoch));

-- What other programs put in or changed. Our own transactions say that they are ours.
CREATE TABLE unplanned(
  what text NOT NULL, row_id bigint NOT NULL, last_fired_changed integer NOT NULL DEFAULT 0,
  changes integer NOT NULL DEFAULT 1, PRIMARY KEY(what, row_id));

CREATE FUNCTION note_by_hand(of text, row_id bigint, last_fired integer) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO unplanned AS u (what, row_id, last_fired_changed)
  SELECT of, note_by_hand.row_id, last_fired WHERE note_by_hand.row_id IS NOT NULL
  ON CONFLICT (what, row_id) DO UPDATE SET changes = u.changes + 1,
    last_fired_changed = greatest(u.last_fired_changed, excluded.last_fired_changed) $$;
CREATE FUNCTION note_bindings(trigger_id bigint, workload_id bigint) RETURNS void
LANGUAGE sql AS $$
  SELECT note_by_hand('binding', b.id, 0) FROM bindings b WHERE b.broken IS NOT NULL
  AND (b.trigger_id = note_bindings.trigger_id OR b.workload_id = note_bindings.workload_id) $$;

CREATE FUNCTION trigger_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE timing SET due_at = NULL WHERE trigger_id IN (OLD.id, NEW.id) AND due_at IS NOT NULL;
  PERFORM note_by_hand('trigger', OLD.id, 0);
  IF NEW.id IS DISTINCT FROM OLD.id THEN PERFORM note_by_hand('trigger', NEW.id, 0); END IF;
  PERFORM note_bindings(NEW.id, NULL);
  RETURN NULL; END $$;
CREATE FUNCTION workload_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM note_by_hand('workload', OLD.id, 0);
  IF NEW.id IS DISTINCT FROM OLD.id THEN PERFORM note_by_hand('workload', NEW.id, 0); END IF;
  PERFORM note_bindings(NULL, NEW.id);
  RETURN NULL; END $$;
CREATE FUNCTION binding_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM note_by_hand('binding', OLD.id, 0);
  IF NEW.id IS DISTINCT FROM OLD.id THEN PERFORM note_by_hand('binding', NEW.id, 0); END IF;
  RETURN NULL; END $$;
CREATE FUNCTION timing_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE timing SET due_at = NULL WHERE trigger_id = NEW.trigger_id AND due_at IS NOT NULL;
  PERFORM note_by_hand('trigger', coalesce(NEW.trigger_id, OLD.trigger_id),
    (OLD.last_fired_at IS DISTINCT FROM NEW.last_fired_at AND TG_OP = 'UPDATE')::int);
  RETURN NULL; END $$;

CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON triggers FOR EACH ROW
  WHEN (current_setting('tinyforge.own', true) IS DISTINCT FROM 'on' AND pg_trigger_depth() = 0)
  EXECUTE FUNCTION trigger_by_hand();
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON workloads FOR EACH ROW
  WHEN (current_setting('tinyforge.own', true) IS DISTINCT FROM 'on' AND pg_trigger_depth() = 0)
  EXECUTE FUNCTION workload_by_hand();
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON bindings FOR EACH ROW
  WHEN (current_setting('tinyforge.own', true) IS DISTINCT FROM 'on' AND pg_trigger_depth() = 0)
  EXECUTE FUNCTION binding_by_hand();
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON timing FOR EACH ROW
  WHEN (current_setting('tinyforge.own', true) IS DISTINCT FROM 'on' AND pg_trigger_depth() = 0)
  EXECUTE FUNCTION timing_by_hand();

-- History.
CREATE TABLE events(
  id bigint PRIMARY KEY, trigger_id bigint NOT NULL, epoch bigint, window_at bigint,
  key text, accepted_at bigint NOT NULL, last_at bigint,
  folded bigint DEFAULT 0, folded_from bigint, revision_id bigint, actor text, facts text,
  ruleless integer, tries integer NOT NULL DEFAULT 0, tried_by bigint, fanned_at bigint);
CREATE UNIQUE INDEX event_window ON events(window_at, trigger_id, epoch) WHERE window_at IS NOT NULL;
CREATE UNIQUE INDEX event_key ON events(trigger_id, key) WHERE key IS NOT NULL;
CREATE INDEX event_open ON events(id) WHERE fanned_at IS NULL;
CREATE TABLE spans(
  trigger_id bigint NOT NULL, epoch bigint NOT NULL, from_at bigint NOT NULL, until_at bigint NOT NULL,
  reason text NOT NULL, count bigint, revision_id bigint, decided_at bigint NOT NULL,
  PRIMARY KEY(trigger_id, epoch, from_at, reason));
CREATE TABLE results(
  event_id bigint NOT NULL, binding_id bigint NOT NULL, outcome text NOT NULL, reason text,
  PRIMARY KEY(event_id, binding_id));
CREATE TABLE runs(
  id bigint PRIMARY KEY, event_id bigint NOT NULL, binding_id bigint NOT NULL, workload_id bigint NOT NULL,
  state smallint NOT NULL, queued_at bigint NOT NULL, ready_at bigint NOT NULL,
  started_at bigint, ended_at bigint, attempt integer NOT NULL DEFAULT 0, owner bigint, recovered_by bigint,
  superseded_by bigint, repeatable boolean NOT NULL DEFAULT false, error text)
  WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX run_once ON runs(event_id, binding_id);
CREATE UNIQUE INDEX run_busy ON runs(workload_id) WHERE state = 3;
-- `id > 0` keeps a search within one lane from going through the whole queue: only what says so too
-- may use it, whatever the statistics of a moment ago make look cheaper.
CREATE INDEX run_queue ON runs(event_id, id) WHERE state = 2 AND id > 0;
CREATE INDEX run_lane ON runs(workload_id, event_id) WHERE state = 2;
CREATE INDEX run_waits ON runs(ready_at) WHERE state = 2 AND ready_at > queued_at;
-- Holds the queues of workloads to the end of the transaction, and then tells of each that is not
-- empty. One call, for others wait; two statements, for the second must see what was waited for.
CREATE FUNCTION hold_lanes(wanted bigint[]) RETURNS TABLE(
  workload_id bigint, running boolean, queued bigint, event_id bigint, run_id bigint)
LANGUAGE plpgsql AS $$ BEGIN
  PERFORM 1 FROM workloads w WHERE w.id = ANY(wanted) ORDER BY w.id FOR NO KEY UPDATE;
  RETURN QUERY SELECT w.id, busy.it, l.queued, l.newest[1], l.newest[2]
    FROM unnest(wanted) w(id),
      LATERAL (SELECT EXISTS (SELECT 1 FROM runs r WHERE r.workload_id = w.id AND r.state = 3)) busy(it),
      LATERAL (SELECT count(*), max(ARRAY[r.event_id, r.id]) FROM runs r
        WHERE r.workload_id = w.id AND r.state = 2) l(queued, newest)
    WHERE busy.it OR l.queued > 0; END $$;
-- Runs at work that somebody wants to end, until they are over; whoever deploys one looks here.
CREATE TABLE cancels(run_id bigint PRIMARY KEY, actor text NOT NULL, asked_at bigint NOT NULL);
CREATE TABLE attempts(
  run_id bigint NOT NULL, n integer NOT NULL, owner bigint, started_at bigint, ended_at bigint,
  outcome text NOT NULL, error text, PRIMARY KEY(run_id, n));
CREATE TABLE run_log(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id bigint NOT NULL, seq bigint NOT NULL,
  at bigint NOT NULL, lines integer NOT NULL, bytes integer NOT NULL, chunk bytea NOT NULL);
CREATE UNIQUE INDEX run_log_of ON run_log(run_id, seq);

-- One row for each replica that lives: gone when it stops, or when another one buries it.
CREATE TABLE servers(
  replica integer PRIMARY KEY, instance bigint NOT NULL UNIQUE, version text NOT NULL,
  started_at bigint NOT NULL, lease_until timestamptz NOT NULL, schema integer NOT NULL DEFAULT 1);
CREATE TABLE facts(name text PRIMARY KEY, value text);
CREATE TABLE marks(name text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO marks(name, value) VALUES ('generation', 0), ('high_water', 0), ('last_id', 0);
-- What came from a file and can stand in no column here; `given` is what stands there instead.
-- On the way back to a file it is put back, unless somebody has written something else.
CREATE TABLE stand_ins(
  of_table text NOT NULL, row_key text NOT NULL, of_column text NOT NULL, given text NOT NULL,
  kind text NOT NULL, original bytea NOT NULL, PRIMARY KEY(of_table, row_key, of_column));
