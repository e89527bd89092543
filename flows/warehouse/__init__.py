"""The tables in PostgreSQL: made, published, and the ledger of runs. No Prefect in here."""
