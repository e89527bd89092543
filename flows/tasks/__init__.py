"""Prefect tasks, one file a stage, thin over flows.logs, flows.storage and flows.warehouse."""
