-- Where a trigger takes deliveries: below /hooks/, found by the SHA-256 of what stands there.
-- `path` is NULL where it is a secret: `sealed` holds that, or `written` is the reference to it.
-- `first_used_at`, `second_used_at`: when each secret of the trigger last proved a delivery.
CREATE TABLE endpoints(
  trigger_id INTEGER PRIMARY KEY, path_sha256 BLOB NOT NULL, path TEXT, sealed BLOB, written TEXT,
  unsigned INTEGER NOT NULL, generated INTEGER NOT NULL, made_at INTEGER NOT NULL,
  first_used_at INTEGER, second_used_at INTEGER, refused_at INTEGER, refused_size INTEGER);
CREATE UNIQUE INDEX endpoint_path ON endpoints(path_sha256);
-- What came to endpoints and proved itself. `key`: 'd' and the sender's id of the delivery, or 'x',
-- that id and the body's digest where an id came again with another body. `event_id`: the event that
-- it is, or belongs to. `headers`: JSON, without the values that prove anything.
CREATE TABLE deliveries(
  id INTEGER PRIMARY KEY, trigger_id INTEGER NOT NULL, key TEXT, received_at INTEGER NOT NULL,
  decided_at INTEGER NOT NULL, fate TEXT NOT NULL, reason TEXT, event_id INTEGER,
  digest TEXT NOT NULL, bytes INTEGER NOT NULL, source TEXT, secret INTEGER, headers TEXT NOT NULL);
CREATE UNIQUE INDEX delivery_key ON deliveries(trigger_id, key) WHERE key IS NOT NULL;
CREATE INDEX delivery_event ON deliveries(event_id) WHERE event_id IS NOT NULL;
-- Bodies as they came, compressed; they go sooner than the rest. `bytes`: what they take here.
CREATE TABLE bodies(
  delivery_id INTEGER PRIMARY KEY, at INTEGER NOT NULL, bytes INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE INDEX body_age ON bodies(at, bytes);
-- What senders without ids sent a moment ago, and how long the same content is the same event.
CREATE TABLE contents(
  trigger_id INTEGER NOT NULL, content TEXT NOT NULL, until_at INTEGER NOT NULL,
  delivery_id INTEGER NOT NULL, PRIMARY KEY(trigger_id, content)) WITHOUT ROWID;
-- What was decided before it was decided anew. `of_id`: a delivery that was no event, or an event.
CREATE TABLE decisions(
  of_id INTEGER NOT NULL, n INTEGER NOT NULL, decided_at INTEGER NOT NULL, fate TEXT NOT NULL,
  reason TEXT, facts TEXT, PRIMARY KEY(of_id, n)) WITHOUT ROWID;
CREATE TABLE earlier_results(
  event_id INTEGER NOT NULL, n INTEGER NOT NULL, binding_id INTEGER NOT NULL, outcome TEXT NOT NULL,
  reason TEXT, PRIMARY KEY(event_id, n, binding_id)) WITHOUT ROWID;
-- Why a rule took an event, and which of its changes is to be deployed, if that is not the last.
CREATE TABLE matches(run_id INTEGER PRIMARY KEY, place INTEGER, reason TEXT NOT NULL);
-- Who may call. A token is known by its SHA-256 alone; `prefix` is what people tell it by.
-- NULL in `triggers` and `workloads`: all; else a JSON list of names.
CREATE TABLE tokens(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, prefix TEXT NOT NULL,
  role TEXT NOT NULL, triggers TEXT, workloads TEXT, made_at INTEGER NOT NULL, made_by TEXT NOT NULL,
  expires_at INTEGER, revoked_at INTEGER, revoked_by TEXT, used_at INTEGER, used_from TEXT) STRICT;
CREATE UNIQUE INDEX token_name ON tokens(name) WHERE revoked_at IS NULL;

-- What people changed: it is only appended to. Our own connections, which switch SQL triggers off,
-- are kept from all else by themselves.
CREATE TABLE audit(
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  target TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, source TEXT NOT NULL) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit is only appended to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit is only appended to'); END;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
  WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) BEGIN
  SELECT RAISE(ABORT, 'the audit is only appended to'); END;
-- Secrets that were typed into a config, which names each as `${sealed:sec_…}`. `sealed` opens only
-- with the key outside the database, and only in the row that it was made for.
CREATE TABLE secrets(
  id INTEGER PRIMARY KEY, what TEXT NOT NULL, owner TEXT NOT NULL, field TEXT NOT NULL,
  sealed BLOB NOT NULL, made_at INTEGER NOT NULL) STRICT;
