-- Where a workload may be deployed: `key=value` pairs with commas between, sorted; NULL: anywhere.
ALTER TABLE workloads ADD COLUMN place TEXT;
-- What the server says of itself. Kinds have commas between; NULL: it knows any.
ALTER TABLE servers ADD COLUMN labels TEXT;
ALTER TABLE servers ADD COLUMN trigger_kinds TEXT;
ALTER TABLE servers ADD COLUMN workload_kinds TEXT;
