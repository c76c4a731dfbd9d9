-- Where a workload may be deployed: `key=value` pairs with commas between, sorted; NULL: anywhere.
ALTER TABLE workloads ADD COLUMN place text;
-- What a replica says of itself. Kinds have commas between; NULL where an older program serves,
-- which claims whatever there is. `clock_off`: how far its machine's clock is ahead of ours.
ALTER TABLE servers ADD COLUMN labels text, ADD COLUMN trigger_kinds text,
  ADD COLUMN workload_kinds text, ADD COLUMN clock_off bigint;
