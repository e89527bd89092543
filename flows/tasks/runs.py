"""Facts about the current run."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from prefect.runtime import flow_run

from flows.run_id import check_id


@dataclass
class Run:
    """A run that is not published yet.

    Attributes:
        flow, id, environment: Its key.
        refresh: Publish even if the id is published, and compare the whole table.
        schema: The schema of its tables; None until the run's first contact with the database.
        started_at: When it started.
        parsed: How many log objects it has parsed, over all its listings.
        healed: What was missing, damaged or changed and has been rebuilt, in sentences.
    """

    flow: str
    id: str
    environment: str
    refresh: bool
    schema: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    parsed: int = 0
    healed: list[str] = field(default_factory=list)


def due() -> datetime:
    """When this flow run is due (UTC): its scheduled start, or now if it was called."""
    scheduled: datetime | None = flow_run.get_scheduled_start_time()
    return scheduled or datetime.now(UTC)


def run_name() -> str:
    """The name of this flow run in the UI: `ID · ENVIRONMENT`."""
    parameters = flow_run.parameters or {}
    try:
        id = check_id(parameters.get("id"), due())
    except ValueError:
        id = "invalid id"
    return f"{id} · {parameters.get('environment')}"
