"""The benchmarks: `make bench`, or `python -m tests.benchmarks --help`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from tests.benchmarks.bench import Bench
from tests.benchmarks.cases import CASES
from tests.benchmarks.site import running
from tests.benchmarks.sizes import SIZES


def main(
    size: Annotated[str, typer.Option(help=f"How much data: {', '.join(SIZES)}.")] = "full",
    only: Annotated[
        list[str] | None, typer.Option(help=f"One case, or more: {', '.join(CASES)}.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each is run, in turn.")] = 3,
    folder: Annotated[Path, typer.Option(help="Keeps the logs that are made.")] = Path(".bench"),
) -> None:
    """Measure the service against a careful DuckDB script, and print a table of the figures."""
    if size not in SIZES or not set(only or ()) <= set(CASES):
        raise typer.BadParameter(f"sizes: {', '.join(SIZES)}; cases: {', '.join(CASES)}")
    print("| what | must reach | reached |\n| --- | --- | --- |", flush=True)
    with (
        TemporaryDirectory(prefix="user-page-views-bench-") as temporary,
        running(Path(temporary)) as site,
    ):
        bench = Bench(site, SIZES[size], folder / size, rounds)
        for name in only or CASES:
            for figure in CASES[name](bench):
                print(f"| {figure.what} | {figure.must} | {figure.reached} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
