-- Moments: INTEGER, microseconds since 1970 UTC. Ids: 63-bit INTEGER, ascending, so an index led by
-- an id or a moment is appended to. Tables that people edit by hand are not STRICT on purpose: they
-- must be able to hold nonsense, which is then shown as broken.

-- Config. `broken` is the reason why a row is not served.
CREATE TABLE triggers(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, config TEXT NOT NULL DEFAULT '{}',
  enabled INTEGER NOT NULL DEFAULT 1, managed_by TEXT NOT NULL DEFAULT 'api',
  revision_id INTEGER, broken TEXT, proved_from INTEGER, deleted_at INTEGER);
CREATE UNIQUE INDEX trigger_name ON triggers(name) WHERE deleted_at IS NULL;

CREATE TABLE workloads(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, config TEXT NOT NULL DEFAULT '{}',
  queue TEXT NOT NULL DEFAULT 'latest', timeout TEXT, retry TEXT, idempotent INTEGER,
  managed_by TEXT NOT NULL DEFAULT 'api', revision_id INTEGER, broken TEXT, deleted_at INTEGER);
CREATE UNIQUE INDEX workload_name ON workloads(name) WHERE deleted_at IS NULL;

CREATE TABLE bindings(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, trigger_id INTEGER NOT NULL, workload_id INTEGER NOT NULL,
  rule TEXT, enabled INTEGER NOT NULL DEFAULT 1,
  managed_by TEXT NOT NULL DEFAULT 'api', revision_id INTEGER, broken TEXT, deleted_at INTEGER);
CREATE UNIQUE INDEX binding_name ON bindings(name) WHERE deleted_at IS NULL;
CREATE INDEX binding_of ON bindings(trigger_id, id) WHERE deleted_at IS NULL;
CREATE INDEX binding_broken ON bindings(id) WHERE broken IS NOT NULL;

CREATE TABLE revisions(
  id INTEGER PRIMARY KEY, what TEXT NOT NULL, row_id INTEGER NOT NULL, text TEXT NOT NULL, zone_data TEXT,
  from_at INTEGER NOT NULL, until_at INTEGER, author TEXT NOT NULL);
CREATE INDEX revision_of ON revisions(row_id, from_at);

-- Time. One narrow row per schedule: a fire rewrites only this one and appends.
CREATE TABLE specs(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE timing(
  trigger_id INTEGER PRIMARY KEY, due_at INTEGER, decided_until INTEGER, last_fired_at INTEGER,
  base INTEGER, opening INTEGER, epoch INTEGER NOT NULL DEFAULT 1, since INTEGER, spec_id INTEGER,
  revision_id INTEGER, paused_at INTEGER, disabled_at INTEGER);
CREATE INDEX timing_due ON timing(due_at) WHERE due_at IS NOT NULL;
CREATE TABLE epochs(
  trigger_id INTEGER NOT NULL, epoch INTEGER NOT NULL, since INTEGER NOT NULL, base INTEGER NOT NULL,
  opening INTEGER, decided_from INTEGER NOT NULL, before_until INTEGER, spec_id INTEGER, revision_id INTEGER, zone_data TEXT,
  why TEXT NOT NULL, PRIMARY KEY(trigger_id, epoch)) WITHOUT ROWID;

-- What other programs put in or changed. Our own connections switch SQL triggers off.
CREATE TABLE unplanned(
  what TEXT NOT NULL, row_id INTEGER NOT NULL, last_fired_changed INTEGER NOT NULL DEFAULT 0,
  changes INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY(what, row_id)) WITHOUT ROWID;
CREATE TRIGGER trigger_put_by_hand AFTER INSERT ON triggers BEGIN
  INSERT INTO unplanned(what, row_id) SELECT 'trigger', NEW.id UNION ALL
    SELECT 'binding', id FROM bindings WHERE broken IS NOT NULL AND trigger_id = NEW.id
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER trigger_changed_by_hand AFTER UPDATE ON triggers BEGIN
  UPDATE timing SET due_at = NULL WHERE trigger_id IN (OLD.id, NEW.id) AND due_at IS NOT NULL;
  INSERT INTO unplanned(what, row_id) SELECT 'trigger', OLD.id UNION SELECT 'trigger', NEW.id UNION ALL
    SELECT 'binding', id FROM bindings WHERE broken IS NOT NULL AND trigger_id = NEW.id
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER trigger_gone_by_hand AFTER DELETE ON triggers BEGIN
  UPDATE timing SET due_at = NULL WHERE trigger_id = OLD.id AND due_at IS NOT NULL;
  INSERT INTO unplanned(what, row_id) VALUES ('trigger', OLD.id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER workload_put_by_hand AFTER INSERT ON workloads BEGIN
  INSERT INTO unplanned(what, row_id) SELECT 'workload', NEW.id UNION ALL
    SELECT 'binding', id FROM bindings WHERE broken IS NOT NULL AND workload_id = NEW.id
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER workload_changed_by_hand AFTER UPDATE ON workloads BEGIN
  INSERT INTO unplanned(what, row_id) SELECT 'workload', OLD.id UNION SELECT 'workload', NEW.id UNION ALL
    SELECT 'binding', id FROM bindings WHERE broken IS NOT NULL AND workload_id = NEW.id
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER workload_gone_by_hand AFTER DELETE ON workloads BEGIN
  INSERT INTO unplanned(what, row_id) VALUES ('workload', OLD.id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER binding_put_by_hand AFTER INSERT ON bindings BEGIN
  INSERT INTO unplanned(what, row_id) VALUES ('binding', NEW.id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER binding_changed_by_hand AFTER UPDATE ON bindings BEGIN
  INSERT INTO unplanned(what, row_id) VALUES ('binding', OLD.id), ('binding', NEW.id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER binding_gone_by_hand AFTER DELETE ON bindings BEGIN
  INSERT INTO unplanned(what, row_id) VALUES ('binding', OLD.id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER timing_put_by_hand AFTER INSERT ON timing BEGIN
  UPDATE timing SET due_at = NULL WHERE trigger_id = NEW.trigger_id AND due_at IS NOT NULL;
  INSERT INTO unplanned(what, row_id) VALUES ('trigger', NEW.trigger_id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER timing_changed_by_hand AFTER UPDATE ON timing BEGIN
  UPDATE timing SET due_at = NULL WHERE trigger_id = NEW.trigger_id AND due_at IS NOT NULL;
  INSERT INTO unplanned(what, row_id) VALUES ('trigger', NEW.trigger_id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER timing_gone_by_hand AFTER DELETE ON timing BEGIN
  INSERT INTO unplanned(what, row_id) VALUES ('trigger', OLD.trigger_id)
    ON CONFLICT DO UPDATE SET changes = changes + 1; END;
CREATE TRIGGER last_fired_changed_by_hand AFTER UPDATE OF last_fired_at ON timing
  WHEN NEW.last_fired_at IS NOT OLD.last_fired_at BEGIN
  INSERT INTO unplanned(what, row_id, last_fired_changed) VALUES ('trigger', NEW.trigger_id, 1)
  ON CONFLICT DO UPDATE SET last_fired_changed = 1, changes = changes + 1; END;

-- History.
CREATE TABLE events(
  id INTEGER PRIMARY KEY, trigger_id INTEGER NOT NULL, epoch INTEGER, window_at INTEGER,
  key TEXT, accepted_at INTEGER NOT NULL, last_at INTEGER,
  folded INTEGER DEFAULT 0, folded_from INTEGER, revision_id INTEGER, actor TEXT, facts TEXT,
  ruleless INTEGER, tries INTEGER NOT NULL DEFAULT 0, fanned_at INTEGER);
CREATE UNIQUE INDEX event_window ON events(window_at, trigger_id, epoch) WHERE window_at IS NOT NULL;
CREATE UNIQUE INDEX event_key ON events(trigger_id, key) WHERE key IS NOT NULL;
CREATE INDEX event_open ON events(id) WHERE fanned_at IS NULL;
CREATE TABLE spans(
  trigger_id INTEGER NOT NULL, epoch INTEGER NOT NULL, from_at INTEGER NOT NULL, until_at INTEGER NOT NULL,
  reason TEXT NOT NULL, count INTEGER, revision_id INTEGER, decided_at INTEGER NOT NULL,
  PRIMARY KEY(trigger_id, epoch, from_at, reason)) WITHOUT ROWID;
CREATE TABLE results(
  event_id INTEGER NOT NULL, binding_id INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT,
  PRIMARY KEY(event_id, binding_id)) WITHOUT ROWID;
CREATE TABLE runs(
  id INTEGER PRIMARY KEY, event_id INTEGER NOT NULL, binding_id INTEGER NOT NULL, workload_id INTEGER NOT NULL,
  state INTEGER NOT NULL, queued_at INTEGER NOT NULL, ready_at INTEGER NOT NULL,
  started_at INTEGER, ended_at INTEGER, attempt INTEGER NOT NULL DEFAULT 0, owner INTEGER,
  superseded_by INTEGER, error TEXT);
CREATE UNIQUE INDEX run_once ON runs(event_id, binding_id);
CREATE UNIQUE INDEX run_busy ON runs(workload_id) WHERE state = 3;
CREATE INDEX run_queue ON runs(id) WHERE state = 2;
CREATE TABLE attempts(
  run_id INTEGER NOT NULL, n INTEGER NOT NULL, owner INTEGER, started_at INTEGER, ended_at INTEGER,
  outcome TEXT NOT NULL, error TEXT, PRIMARY KEY(run_id, n)) WITHOUT ROWID;
CREATE TABLE run_log(
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  lines INTEGER NOT NULL, bytes INTEGER NOT NULL, chunk BLOB NOT NULL);
CREATE UNIQUE INDEX run_log_of ON run_log(run_id, seq);

CREATE TABLE servers(
  replica INTEGER PRIMARY KEY, instance INTEGER NOT NULL, version TEXT NOT NULL,
  started_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, stopped_at INTEGER);
CREATE TABLE facts(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
