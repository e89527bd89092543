"""`make demo`: the main flow on the environment `local`, from sample logs to rows."""

import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

ID = "demo"
_PARTS = ("lines", "counted", "duplicates", "other_environment", "anonymous", "rejected")


def _settle() -> None:
    """Before Prefect is imported: report to nobody, and give a cold machine time."""
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
    _settle()
    console = Console(highlight=False)
    with _step(console, "Importing Prefect"):
        from blocks.load import load_environment
        from flows.user_page_views import user_page_views
    with _step(console, "Starting PostgreSQL and an S3 endpoint, and uploading the sample logs"):
        environment = load_environment("local")
    console.print(
        "[bold]…[/bold] Running the flow user-page-views; what takes most of the time is "
        "Prefect's own temporary server, which starts first"
    )
    started, called = time.monotonic(), datetime.now(UTC)
    summary = user_page_views(id=ID, environment="local")
    console.print(f"  [dim]{time.monotonic() - started:.1f} s[/dim]\n")

    account = Table(box=None, pad_edge=False, title=f"Every line accounted for (run {summary.id})")
    account.add_column("log", no_wrap=True)
    for part in _PARTS:
        account.add_column(part.replace("_", "\n"), justify="right", no_wrap=True)
    for name, counts in (
        ("PageViews/", summary.page_views),
        ("UserUpdates/", summary.user_updates),
    ):
        account.add_row(name, *(f"{getattr(counts, part):,}" for part in _PARTS))
    console.print(account)
    for name, counts in (
        ("PageViews/", summary.page_views),
        ("UserUpdates/", summary.user_updates),
    ):
        for reason, number in counts.reasons.items():
            console.print(f"  rejected from {name} as {reason}: {number}")

    if summary.published_at < called:
        done = f"The run was published at {summary.published_at:%Y-%m-%d %H:%M} UTC: nothing to do."
    else:
        done = (
            f"{summary.objects_parsed} log objects parsed, {summary.objects_reused} reused; "
            f"{summary.rows_written:,} of {summary.rows:,} rows written."
        )
    console.print(f"\n[bold]{done}[/bold]\n")

    rows = Table(
        box=None,
        pad_edge=False,
        title=f"The first ten of {summary.rows:,} rows of user_page_views",
    )
    names = ("user_id", "email", "url", "count", "last_viewed")
    for name in names:
        right = name in ("user_id", "count")
        rows.add_column(name, justify="right" if right else "left", no_wrap=True)
    url = environment.database.url.get_secret_value()
    for row in _first_rows(url):
        rows.add_row(*(str(value) if value is not None else "NULL" for value in row))
    console.print(rows)
    _next(console)


def _first_rows(url: str) -> list[tuple[object, ...]]:
    import psycopg2

    connection = psycopg2.connect(url, options="-c timezone=UTC")
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT user_id, email, url, count, to_char(last_viewed, 'YYYY-MM-DD HH24:MI:SS')"
                " FROM user_page_views"
                " ORDER BY user_id, url LIMIT 10"
            )
            return cursor.fetchall()
    finally:
        connection.close()


def _next(console: Console) -> None:
    python = os.path.relpath(sys.executable)
    bin_folder = os.path.dirname(python)
    query = "SELECT url, sum(count) FROM user_page_views GROUP BY url ORDER BY 2 DESC LIMIT 5"
    console.print("\n[bold]Next[/bold]")
    console.print("  Run it again, and see that nothing is left to do:")
    console.print("    make demo", soft_wrap=True)
    console.print("  Query the table:")
    console.print(f'    {python} -m deployments.query "{query}"', soft_wrap=True)
    console.print("  Open the UI, at http://127.0.0.1:4200:")
    console.print(f"    {bin_folder}/prefect server start", soft_wrap=True)
    console.print("  Load your own bucket (README, 'Your own bucket'):")
    console.print(f"    {python} -m blocks.register staging --env-file staging.env", soft_wrap=True)


if __name__ == "__main__":
    main()
