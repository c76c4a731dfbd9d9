-- Where a trigger takes deliveries: below /hooks/, found by the SHA-256 of what stands there.
-- `path` is NULL where it is a secret: `sealed` holds that, or `written` is the reference to it.
-- `first_used_at`, `second_used_at`: when each secret of the trigger last proved a delivery.
CREATE TABLE endpoints(
  trigger_id INTEGER PRIMARY KEY, path_sha256 BLOB NOT NULL, path TEXT, sealed BLOB, written TEXT,
  unsigned INTEGER NOT NULL, generated INTEGER NOT NULL, made_at INTEGER NOT NULL,
  first_used_at INTEGER, second_used_at INTEGER, refused_at INTEGER, refused_size INTEGER);
CREATE UNIQUE INDEX endpoint_path ON endpoints(path_sha256);
