"""`make demo`: the main flow in the environment `local`, from sample logs to rows."""

import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.markdown import Markdown

ID = "demo"
_ROWS = "FROM user_page_views ORDER BY user_id, url LIMIT 10"
_COLUMNS = "user_id, email, url, count, to_char(last_viewed, 'YYYY-MM-DD HH24:MI') AS last_viewed"
_TOP = "SELECT url, sum(count) FROM user_page_views GROUP BY url ORDER BY 2 DESC LIMIT 5"


def _set_up() -> None:
    """Before Prefect is imported: no telemetry, and a longer start-up timeout."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    started = time.monotonic()
    console.print(f"[bold]…[/bold] {what}")
    yield
    console.print(f"  [dim]{time.monotonic() - started:.1f} s[/dim]")


def main() -> None:
    """Run the flow and show what it did."""
    _set_up()
    console = Console(highlight=False)
    with _step(console, "Importing Prefect"):
        from blocks.load import load_environment
        from deployments.query import query
        from flows.tasks.report import as_markdown
        from flows.user_page_views import user_page_views
    with _step(console, "Starting PostgreSQL and an S3 endpoint, and uploading the sample logs"):
        load_environment("local")
    with _step(console, "Running the flow user-page-views; Prefect's temporary server starts first"):
        called = datetime.now(UTC)
        summary = user_page_views(id=ID, environment="local")
    console.print(Markdown(as_markdown(summary, already=summary.published_at < called)))
    console.print()
    rows = query(f"SELECT {_COLUMNS} {_ROWS}", "local")
    rows.title = f"The first ten of {summary.rows:,} rows of user_page_views"
    console.print(rows)
    _next(console)


def _next(console: Console) -> None:
    python = os.path.relpath(sys.executable)
    for what, command in (
        ("Run it again, and see that there is nothing left to do:", "make demo"),
        ("Query the table:", f'{python} -m deployments.query "{_TOP}"'),
        ("Open the UI at http://127.0.0.1:4200:", f"{os.path.dirname(python)}/prefect server start"),
        (
            "Load your own bucket (README, 'Your own bucket'):",
            f"{python} -m blocks.register staging --env-file staging.env",
        ),
    ):
        console.print(f"\n  {what}")
        console.print(f"    {command}", soft_wrap=True)


if __name__ == "__main__":
    main()
