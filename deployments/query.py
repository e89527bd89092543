"""`python -m deployments.query "SELECT …"`: look at an environment's tables from the terminal."""

import json
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from blocks.prefect_defaults import set_prefect_defaults
from flows.errors import PipelineError, WarehouseError

HELP = """Run one SQL query in an environment's schema, in a read-only transaction, and print its rows.

Times are in UTC; rows wider than the terminal are printed one value a line.

\b
Tables: user_page_views, pipeline_runs, rejected_records, latest_user_updates
  python -m deployments.query "SELECT * FROM user_page_views LIMIT 10"
  python -m deployments.query --environment staging \\
    "SELECT id, published_at FROM pipeline_runs ORDER BY published_at"
"""
_SETTINGS = "SELECT set_config('search_path', quote_ident(:schema), true), set_config('TimeZone', 'UTC', true)"


def query(statement: str, environment: str) -> list[list[str]]:
    """The column names, then the rows of a query in an environment's schema, as text that is safe to print.

    Raises:
        WarehouseError: PostgreSQL refuses the query; it says what and where.
    """
    from blocks.load import load_database  # imports Prefect
    from flows.tasks.places import warehouse_of

    with warehouse_of(load_database(environment)) as warehouse, warehouse.engine.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = on"))
        connection.commit()  # so that a COMMIT or ROLLBACK in the statement does not end it
        connection.execute(text(_SETTINGS), {"schema": warehouse.tables.schema})
        try:
            # As it is: a colon or a percent sign marks no parameter.
            result = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
            rows = [result.keys(), *result] if result.returns_rows else [[]]
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            said = map(_printable, str(error.orig).rstrip().splitlines())
            raise WarehouseError("PostgreSQL refuses the query: " + "\n".join(said)) from None
        return [list(map(_printable, row)) for row in rows]


def as_table(rows: list[list[str]], title: str | None = None) -> Table:
    """A line for each row of a query."""
    table = Table(*(Column(Text(name)) for name in rows[0]), box=SIMPLE, pad_edge=False, title=title)
    for row in rows[1:]:
        table.add_row(*map(Text, row))  # not strings, in which [red] is a style
    return table


def as_records(rows: list[list[str]]) -> str:
    """A line for each value, like psql's \\x."""
    width, lines = max(map(len, rows[0])), []
    for number, row in enumerate(rows[1:], 1):
        lines.append(f"-[ RECORD {number} ]".ljust(width + 10, "-"))
        lines += [f"{name:{width}} | {value}" for name, value in zip(rows[0], row, strict=True)]
    return "\n".join(lines)


def _printable(value: Any) -> str:
    """As text, with control characters escaped: a log may contain some that change the terminal."""
    if value is None:
        return "NULL"
    words = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in words)


def main(
    statement: Annotated[str, typer.Argument(help="One SQL query.")],
    environment: Annotated[str, typer.Option(help="The environment to query.")] = "local",
) -> None:
    """Print the rows of a query, or what is wrong with it."""
    try:
        rows = query(statement, environment)
    except PipelineError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    console, table = Console(highlight=False), as_table(rows)
    fits = console.measure(table, options=console.options.update_width(10**6)).maximum <= console.width
    console.print(table) if fits or len(rows) == 1 else typer.echo(as_records(rows))
    typer.echo(f"{len(rows) - 1:,} {'row' if len(rows) == 2 else 'rows'}")


if __name__ == "__main__":
    set_prefect_defaults()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=HELP)(main)
    app()
