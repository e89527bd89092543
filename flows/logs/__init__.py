"""What a valid record is, and how logs become Parquet: no Prefect, no network, no database."""
