"""Create and publish the tables in PostgreSQL; the ledger of runs."""
