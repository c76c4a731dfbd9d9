-- Secrets that were typed into a config, which names each as `${sealed:sec_…}`. `sealed` opens only
-- with the key outside the database, and only in the row that it was made for.
CREATE TABLE secrets(
  id bigint PRIMARY KEY, what text NOT NULL, owner text NOT NULL, field text NOT NULL,
  sealed bytea NOT NULL, made_at bigint NOT NULL);
