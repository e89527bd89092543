"""The benchmarks: `make bench`, or `python -m tests.benchmarks --help`."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks import cases
from tests.benchmarks.bench import Bench
from tests.benchmarks.chart import chart
from tests.benchmarks.leftovers import only_benchmark
from tests.benchmarks.report import Figure, rows, store, table, write_into
from tests.benchmarks.servers import running
from tests.benchmarks.sizes import SIZES
from tests.benchmarks.targets import TARGETS
from tests.benchmarks.timed import ROOT

CASES: dict[str, Callable[[Bench], list[Figure]]] = {name: getattr(cases, name.replace("-", "_")) for name in TARGETS}


def main(
    size: Annotated[str, typer.Option(help=f"How much data: {', '.join(SIZES)}.")] = "full",
    only: Annotated[list[str] | None, typer.Option(help=f"One case, or more: {', '.join(CASES)}.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run, in turn.")] = 3,
    folder: Annotated[Path, typer.Option(help="Keeps logs and results.")] = Path(".bench"),
) -> None:
    """Measure the service against its targets; write a table and a chart of all stored results.

    At size full, they are docs/performance.md and .svg; at other sizes, files in the folder.
    """
    if size not in SIZES or not set(only or ()) <= set(CASES):
        raise typer.BadParameter(f"sizes: {', '.join(SIZES)}; cases: {', '.join(CASES)}")
    results = folder / "results.json"
    failed = False
    with only_benchmark(folder) as temporary, running(temporary) as servers:
        (folder / size).mkdir(exist_ok=True)
        bench = Bench(servers, SIZES[size], folder / size, rounds)
        for name in only or CASES:
            print(f"{name} …", file=sys.stderr, flush=True)
            bench.reset()
            try:
                figures = CASES[name](bench)
            # Reported, and the other cases still run.
            except Exception as error:
                traceback.print_exc()
                failed = True
                figures = [Figure(None, f"failed, {type(error).__name__}") for _ in TARGETS[name]]
            store(results, size, name, figures, rounds)
            _draw(results, size)
    print(table(results, size))
    if failed:
        raise typer.Exit(1)


def _draw(results: Path, size: str) -> None:
    page, folder = ROOT / "docs" / "performance.md", results.parent / size
    if size == "full":
        write_into(page, table(results, size))
        folder = page.parent
    else:
        (folder / page.name).write_text(table(results, size), encoding="utf-8")
    (folder / "performance.svg").write_text(chart(rows(results, size)), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
