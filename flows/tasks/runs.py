"""Facts of the flow run at hand."""

from datetime import datetime, timezone

from prefect.runtime import flow_run


def due() -> datetime:
    """When this flow run was due (UTC): its scheduled start, or now for a call."""
    scheduled: datetime | None = flow_run.get_scheduled_start_time()
    return scheduled or datetime.now(timezone.utc)
