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
