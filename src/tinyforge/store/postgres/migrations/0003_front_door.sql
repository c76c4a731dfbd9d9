-- Where a trigger takes deliveries: below /hooks/, found by the SHA-256 of what stands there.
-- `path` is NULL where it is a secret: `sealed` holds that, or `written` is the reference to it.
-- `first_used_at`, `second_used_at`: when each secret of the trigger last proved a delivery.
CREATE TABLE endpoints(
  trigger_id bigint PRIMARY KEY, path_sha256 bytea NOT NULL, path text, sealed bytea, written text,
  unsigned integer NOT NULL, generated integer NOT NULL, made_at bigint NOT NULL,
  first_used_at bigint, second_used_at bigint, refused_at bigint, refused_size bigint);
CREATE UNIQUE INDEX endpoint_path ON endpoints(path_sha256);
-- What came to endpoints and proved itself. `key`: 'd' and the sender's id of the delivery, or 'x',
-- that id and the body's digest where an id came again with another body. `event_id`: the event that
-- it is, or belongs to. `headers`: JSON, without the values that prove anything.
CREATE TABLE deliveries(
  id bigint PRIMARY KEY, trigger_id bigint NOT NULL, key text, received_at bigint NOT NULL,
  decided_at bigint NOT NULL, fate text NOT NULL, reason text, event_id bigint,
  digest text NOT NULL, bytes bigint NOT NULL, source text, secret integer, headers text NOT NULL);
CREATE UNIQUE INDEX delivery_key ON deliveries(trigger_id, key) WHERE key IS NOT NULL;
CREATE INDEX delivery_event ON deliveries(event_id) WHERE event_id IS NOT NULL;
-- Bodies as they came, compressed; they go sooner than the rest. `bytes`: what they take here.
CREATE TABLE bodies(
  delivery_id bigint PRIMARY KEY, at bigint NOT NULL, bytes bigint NOT NULL, packed bytea NOT NULL);
CREATE INDEX body_age ON bodies(at, bytes);
ALTER TABLE bodies ALTER COLUMN packed SET STORAGE EXTERNAL;
-- What senders without ids sent a moment ago, and how long the same content is the same event.
CREATE TABLE contents(
  trigger_id bigint NOT NULL, content text NOT NULL, until_at bigint NOT NULL,
  delivery_id bigint NOT NULL, PRIMARY KEY(trigger_id, content));
-- What was decided before it was decided anew. `of_id`: a delivery that was no event, or an event.
CREATE TABLE decisions(
  of_id bigint NOT NULL, n bigint NOT NULL, decided_at bigint NOT NULL, fate text NOT NULL,
  reason text, facts text, PRIMARY KEY(of_id, n));
CREATE TABLE earlier_results(
  event_id bigint NOT NULL, n bigint NOT NULL, binding_id bigint NOT NULL, outcome text NOT NULL,
  reason text, PRIMARY KEY(event_id, n, binding_id));
-- Why a rule took an event, and which of its changes is to be deployed, if that is not the last.
CREATE TABLE matches(run_id bigint PRIMARY KEY, place bigint, reason text NOT NULL);
-- Who may call. A token is known by its SHA-256 alone; `prefix` is what people tell it by.
-- NULL in `triggers` and `workloads`: all; else a JSON list of names.
CREATE TABLE tokens(
  id bigint PRIMARY KEY, name text NOT NULL, digest bytea NOT NULL UNIQUE, prefix text NOT NULL,
  role text NOT NULL, triggers text, workloads text, made_at bigint NOT NULL, made_by text NOT NULL,
  expires_at bigint, revoked_at bigint, revoked_by text, used_at bigint, used_from text);
CREATE UNIQUE INDEX token_name ON tokens(name) WHERE revoked_at IS NULL;

-- What people changed: it is only appended to, whoever asks.
CREATE TABLE audit(
  id bigint PRIMARY KEY, at bigint NOT NULL, actor text NOT NULL, action text NOT NULL,
  target text NOT NULL, before text NOT NULL, after text NOT NULL, source text NOT NULL);
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'the audit is only appended to'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
ALTER TABLE audit ENABLE ALWAYS TRIGGER append_only;
-- Secrets that were typed into a config, which names each as `${sealed:sec_…}`. `sealed` opens only
-- with the key outside the database, and only in the row that it was made for.
CREATE TABLE secrets(
  id bigint PRIMARY KEY, what text NOT NULL, owner text NOT NULL, field text NOT NULL,
  sealed bytea NOT NULL, made_at bigint NOT NULL);
