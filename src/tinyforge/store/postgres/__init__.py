"""PostgreSQL, served by several replicas: it is their one coordinator."""
