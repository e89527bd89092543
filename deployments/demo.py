"""`make demo`: the main flow in the environment `local`, from sample logs to rows."""

import os
import sys
import warnings
from datetime import UTC, datetime

from rich.console import Console
from rich.markdown import Markdown

from blocks.prefect_defaults import set_prefect_defaults

ID = "demo"
_ROWS = "FROM user_page_views ORDER BY user_id, url LIMIT 10"
_COLUMNS = "user_id, email, url, count, to_char(last_viewed, 'YYYY-MM-DD HH24:MI') AS last_viewed"
_TOP = "SELECT url, sum(count) FROM user_page_views GROUP BY url ORDER BY 2 DESC LIMIT 5"


def main() -> None:
    """Run the flow and show what it did."""
    set_prefect_defaults()
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    console = Console(highlight=False)
    console.print("Importing Prefect …")
    from blocks.load import load_environment
    from deployments.query import as_table, query
    from flows.tasks.report import as_markdown
    from flows.user_page_views import user_page_views

    console.print("Starting PostgreSQL and an S3 endpoint, and uploading the sample logs …")
    load_environment("local")
    console.print("Running the flow user-page-views; Prefect's temporary server starts first …")
    called = datetime.now(UTC)
    summary = user_page_views(id=ID, environment="local")
    console.print(Markdown(as_markdown(summary, already=summary.published_at < called)))
    console.print()
    title = f"The first ten of {summary.rows:,} rows of user_page_views"
    console.print(as_table(query(f"SELECT {_COLUMNS} {_ROWS}", "local"), title))
    _next(console)


def _next(console: Console) -> None:
    python = os.path.relpath(sys.executable)
    for what, command in (
        ("Run it again, and see that there is nothing left to do:", "make demo"),
        ("Query the table:", f'{python} -m deployments.query "{_TOP}"'),
        ("Open the UI at http://127.0.0.1:4200:", f"{os.path.dirname(python)}/prefect server start"),
        ("Load your own bucket (see the README):", f"{python} -m blocks.register staging --env-file staging.env"),
    ):
        console.print(f"\n  {what}")
        console.print(f"    {command}", soft_wrap=True)


if __name__ == "__main__":
    main()
