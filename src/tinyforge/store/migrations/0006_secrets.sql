-- Secrets that were typed into a config, which names each as `${sealed:sec_…}`. `sealed` opens only
-- with the key outside the database, and only in the row that it was made for.
CREATE TABLE secrets(
  id INTEGER PRIMARY KEY, what TEXT NOT NULL, owner TEXT NOT NULL, field TEXT NOT NULL,
  sealed BLOB NOT NULL, made_at INTEGER NOT NULL) STRICT;
