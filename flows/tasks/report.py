"""The run's report: an artifact in the UI that contains only numbers."""

from prefect.artifacts import create_markdown_artifact

from flows.counts import PARTS, Counts
from flows.summary import RunSummary


def report(summary: RunSummary, *, already: bool) -> None:
    """Show a run's account as an artifact."""
    create_markdown_artifact(
        key=f"user-page-views-{summary.environment}",
        markdown=as_markdown(summary, already=already),
        description=f"Run {summary.id} in {summary.environment}",
    )


def as_markdown(summary: RunSummary, *, already: bool) -> str:
    """The report as Markdown."""
    done = "was published before: nothing was done" if already else "is published"
    if summary.overtaken:
        done += "; a run that listed the logs later was published first, so the table is that run's"
    return "\n".join(
        [
            f"# user_page_views: run {summary.id}",
            "",
            f"The run {done}. {summary.rows:,} rows, {summary.rows_written:,} written; "
            f"{summary.objects_parsed:,} log objects parsed, {summary.objects_reused:,} reused; "
            f"{summary.seconds:.1f} s.",
            "",
            "| log | lines | counted | duplicates | other environment | anonymous | rejected |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            _row("PageViews/", summary.page_views),
            _row("UserUpdates/", summary.user_updates),
            "",
            *_reasons("PageViews/", summary.page_views),
            *_reasons("UserUpdates/", summary.user_updates),
            *(f"- healed: {sentence}" for sentence in summary.healed),
        ]
    )


def _row(name: str, counts: Counts) -> str:
    return f"| {name} | " + " | ".join(f"{getattr(counts, part):,}" for part in PARTS) + " |"


def _reasons(name: str, counts: Counts) -> list[str]:
    return [f"- {name} {reason}: {number:,}" for reason, number in counts.reasons.items()]
