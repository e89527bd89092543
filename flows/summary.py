"""What a run returns: the account of every line, and what it did."""

from datetime import UTC, datetime
from textwrap import fill

from pydantic import BaseModel, ConfigDict, Field

from flows.counts import Counts


def utc(moment: datetime) -> str:
    """Such as `2026-11-22 05:00:41 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


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
        objects_reused: Log objects that earlier runs had read.
        rows: Rows of `user_page_views`.
        rows_written: Rows that this run inserted, updated or deleted.
        seconds: From the run's start to the publication.
        healed: What was lost, damaged or changed and has been rebuilt, in sentences.
        overtaken: Whether a run that listed the logs later was published first: the table is that run's, and this one
            wrote nothing.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    environment: str
    fingerprint: str
    listed_at: datetime
    published_at: datetime
    page_views: Counts
    user_updates: Counts
    objects_parsed: int
    objects_reused: int
    rows: int
    rows_written: int
    seconds: float
    healed: list[str] = Field(default_factory=list)
    overtaken: bool = False

    def __str__(self) -> str:
        """All of it, in about ten lines of at most 80 characters."""
        facts = [
            ("run", f"{self.id} in {self.environment}"),
            ("published", f"{utc(self.published_at)}, {self.seconds:,.1f} s after its start"),
            ("table", f"{self.rows:,} rows; {self.rows_written:,} inserted, updated or deleted"),
            ("log objects", f"{self.objects_parsed:,} parsed, {self.objects_reused:,} reused"),
            ("listed", utc(self.listed_at)),
            ("page views", str(self.page_views)),
            ("user updates", str(self.user_updates)),
            ("fingerprint", self.fingerprint),
            *[("overtaken", "a run that listed the logs later was published first")] * self.overtaken,
            *(("healed", sentence) for sentence in self.healed),
        ]
        return "\n".join(fill(f"{a:14}{b}", 80, subsequent_indent=" " * 14, break_on_hyphens=False) for a, b in facts)

    __repr__ = __str__
