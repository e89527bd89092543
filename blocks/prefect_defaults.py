"""What the commands set before they import Prefect. In this folder, pyproject.toml sets the same for all of Prefect."""

import os


def set_prefect_defaults() -> None:
    """No telemetry, and more time for the start of a temporary server; environment variables that are set stay."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
