"""Prefect tasks, one stage per file, and what they share."""
