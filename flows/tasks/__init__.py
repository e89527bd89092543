"""Prefect tasks, one file a stage: thin wrappers over flows.logs, flows.storage, flows.warehouse."""
