"""Prefect blocks that describe an environment: its logs, its results storage and its database."""
