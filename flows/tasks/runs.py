"""Facts of the run at hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from prefect.runtime import flow_run


@dataclass
class Run:
    """What is known of a run beside its stages.

    Attributes:
        started_at: When it began.
        healed: What it has put right, in sentences.
        parsed: How many log objects it has parsed, over all its listings.
    """

    started_at: datetime
    healed: list[str] = field(default_factory=list)
    parsed: int = 0


def due() -> datetime:
    """When this flow run was due (UTC): its scheduled start, or now for a call."""
    scheduled: datetime | None = flow_run.get_scheduled_start_time()
    return scheduled or datetime.now(UTC)
