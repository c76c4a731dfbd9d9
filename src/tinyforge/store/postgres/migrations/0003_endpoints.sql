-- Where a trigger takes deliveries: below /hooks/, found by the SHA-256 of what stands there.
-- `path` is NULL where it is a secret: `sealed` holds that, or `written` is the reference to it.
-- `first_used_at`, `second_used_at`: when each secret of the trigger last proved a delivery.
CREATE TABLE endpoints(
  trigger_id bigint PRIMARY KEY, path_sha256 bytea NOT NULL, path text, sealed bytea, written text,
  unsigned integer NOT NULL, generated integer NOT NULL, made_at bigint NOT NULL,
  first_used_at bigint, second_used_at bigint, refused_at bigint, refused_size bigint);
CREATE UNIQUE INDEX endpoint_path ON endpoints(path_sha256);
