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
