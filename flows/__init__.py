"""Prefect flows that turn application logs in S3 into tables in PostgreSQL."""
