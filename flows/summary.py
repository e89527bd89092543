"""What a run returns: the account of every line and what was done."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class LineCounts(BaseModel):
    """What became of each line of one kind of log.

    `lines = counted + duplicates + other_environment + anonymous + rejected`; `reasons` splits
    `rejected`.
    """

    model_config = ConfigDict(frozen=True)

    lines: int
    counted: int
    duplicates: int
    other_environment: int
    anonymous: int
    rejected: int
    reasons: dict[str, int] = Field(default_factory=dict)


class RunSummary(BaseModel):
    """The summary of one published run; a rerun of its id returns an equal one.

    Attributes:
        id: The run's key.
        environment: The environment's name.
        fingerprint: The hash of the sorted (key, ETag) of the run's log objects.
        listed_at: When the logs were listed, by the database's clock.
        published_at: When the table was published, by the database's clock.
        page_views: The account of the lines of `PageViews/`.
        user_updates: The account of the lines of `UserUpdates/`.
        objects_parsed: Log objects that this run read.
        objects_reused: Log objects that an earlier run had read.
        rows: Rows of `user_page_views` that the logs give.
        rows_written: Rows that this run inserted, changed or deleted.
        seconds: From the run's start to its publishing.
        healed: What was not as it should have been, and was put right on the way, in sentences.
        overtaken: A run that listed the logs later had published before: the table is that
            run's, and this one wrote nothing.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    environment: str
    fingerprint: str
    listed_at: datetime
    published_at: datetime
    page_views: LineCounts
    user_updates: LineCounts
    objects_parsed: int
    objects_reused: int
    rows: int
    rows_written: int
    seconds: float
    healed: list[str] = Field(default_factory=list)
    overtaken: bool = False

    def as_json(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return self.model_dump(mode="json")
