"""`python -m deployments.query "SELECT …"`: look at an environment's tables from the terminal."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from blocks.load import load_environment
from flows.errors import PipelineError
from flows.tasks.places import warehouse_of


def query(statement: str, environment: str) -> Table:
    """The rows of a query in an environment's schema, read in a read-only transaction."""
    with warehouse_of(load_environment(environment)) as warehouse, warehouse.engine.connect() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        search_path = text("SELECT set_config('search_path', :schema, true)")
        connection.execute(search_path, {"schema": warehouse.tables.schema})
        connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
        result = connection.execute(text(statement))
        table = Table(*result.keys(), box=SIMPLE, pad_edge=False)
        for row in result:
            table.add_row(*("NULL" if value is None else str(value) for value in row))
        return table


def main(
    statement: Annotated[str, typer.Argument(help="One SQL query.")],
    environment: Annotated[str, typer.Option(help="The environment to query.")] = "local",
) -> None:
    """Run a query in an environment's schema, in a read-only transaction, and print its rows."""
    try:
        table = query(statement, environment)
    except PipelineError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    Console(highlight=False).print(table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
