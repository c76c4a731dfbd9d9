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
