"""Where bytes lie: the logs bucket, read only, and the results storage. No Prefect in here."""
