"""The run's report: an artifact in the UI with numbers and the keys of log objects, and nothing that lines contain."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from flows.counts import PARTS, REASONS, Counts
from flows.extracts.units import Place
from flows.logs.objects import KINDS, PREFIXES, LogObject
from flows.summary import RunSummary, utc
from flows.tasks.runs import Run
from flows.warehouse.ledger import PublishedRun

# So many objects with rejected lines are listed; the others are summed up in one row.
LISTED = 20

Places = Mapping[LogObject, Place]


def report(summary: Mapping[str, Any], stages: Mapping[str, Any], *, already: bool) -> None:
    """Show a published run, given its summary and stages in the ledger; `already`: another flow run published it."""
    found = RunSummary.model_validate(summary)
    _create(found.id, found.environment, as_markdown(found, stages.get("report"), already=already))


def report_failure(run: Run, error: str, places: Places) -> None:
    """Show which log objects have the rejected lines that fail a run."""
    kinds = [Counts.total(place.counts for item, place in places.items() if item.kind == kind) for kind in KINDS]
    parts = [f"# Run {_text(run.id)} failed", _text(error), *_tables(kinds, ("lines", "rejected"), places)]
    _create(run.id, run.environment, "\n\n".join(parts))


def as_markdown(summary: RunSummary, details: str | None = None, *, already: bool) -> str:
    """The report of a published run; the details are what `describe` returned when it was published."""
    parts = [f"# user_page_views: run {_text(summary.id)} in {summary.environment}"]
    parts += ["The id was published before: **nothing was done**."] * already
    return "\n\n".join([*parts, details or describe(summary)])


def describe(
    summary: RunSummary, run: Run | None = None, places: Places | None = None, latest: PublishedRun | None = None
) -> str:
    """What a run publishes, and what changes since the latest one: a few kilobytes that the ledger keeps."""
    by = ""
    if run:
        name, id = flow_run.get_name() or "", flow_run.get_id()
        by = f" by the run {_text(name)} (flow run {id}), which started {utc(run.started_at)}"
    did = f"{summary.rows:,} rows, {summary.rows_written:,} written"
    if summary.overtaken:
        did = "nothing written, because a run that listed the logs later was published first"
    read = f"{summary.objects_parsed:,} log objects parsed, {summary.objects_reused:,} reused"
    parts = [f"Published {utc(summary.published_at)}{by}: {did}; {read}; {summary.seconds:,.1f} s."]
    before = RunSummary.model_validate(latest.summary) if latest else None
    if before:
        since = f"the run {_text(before.id)}, published {utc(before.published_at)}"
        parts.append(f"Change since {since}: {summary.rows - before.rows:+,} rows, and lines as below.")
    parts += _tables([summary.page_views, summary.user_updates], PARTS, places or {}, before)
    return "\n\n".join([*parts, *(f"- healed: {_text(sentence)}" for sentence in summary.healed)])


def _tables(
    kinds: Sequence[Counts], parts: Sequence[str], places: Places, before: RunSummary | None = None
) -> list[str]:
    # The account of lines, and the rejected ones by reason and by object.
    total = Counts.total(kinds)
    columns = dict(zip([*PREFIXES.values(), "both"], [*kinds, total], strict=True))
    rows: list[list[int | str]] = [[name, *(getattr(one, part) for part in parts)] for name, one in columns.items()]
    if before:
        old = Counts.total([before.page_views, before.user_updates])
        rows.append(["change", *(f"{getattr(total, part) - getattr(old, part):+,}" for part in parts)])
    lines = _table(["log", *(part.replace("_", " ") for part in parts)], rows)
    if not total.rejected:
        return [lines, "No line was rejected."]
    reasons: list[list[int | str]] = [
        [f"`{reason}`", *(one.reasons.get(reason, 0) for one in columns.values()), REASONS.get(reason, "")]
        for reason in total.reasons
    ]
    found = [(item.key, place.counts) for item, place in places.items() if place.counts.rejected]
    found.sort(key=lambda pair: (-pair[1].rejected, pair[0]))
    objects = [(_text(key), one) for key, one in found[:LISTED]]
    if rest := [one for _, one in found[LISTED:]]:
        objects.append((f"{len(rest):,} more", Counts.total(rest)))
    objects.append(("all log objects", total))
    return [
        lines,
        _table(["reason", *columns, "what it means"], reasons),
        _table(["log object", "lines", "rejected", "why"], [[name, o.lines, o.rejected, o.why] for name, o in objects]),
        "All rules for log lines are in docs/logs.md.",
    ]


def _table(head: list[str], rows: list[list[int | str]]) -> str:
    rule = ["---:" if isinstance(cell, int) else "---" for cell in rows[0]]
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *cells))


def _create(id: str, environment: str, markdown: str) -> None:
    key = f"user-page-views-{environment}"
    create_markdown_artifact(key=key, markdown=markdown, description=f"Run {id} in {environment}")


def _text(text: str) -> str:
    # Markdown in which nothing is markup, not even in the key of a log object.
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    # Underscores within a word, as in MAX_REJECTED_RATIO, mean nothing.
    return re.sub(r"([\\`*\[\]<|&~@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.)", r"\\\1", printable)
