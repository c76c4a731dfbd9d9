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
