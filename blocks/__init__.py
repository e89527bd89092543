"""Prefect Blocks that describe an environment: its logs, its results storage, its database."""
