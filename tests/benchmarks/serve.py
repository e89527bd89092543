"""The services of the benchmarks, left running for a profiler.

`python -m tests.benchmarks.serve --size medium` fills them with logs and prints the variables that
lead to them. With those set, `python -m tests.benchmarks.one_run ID` in another shell is a cold
run, and a profiler can start it.
"""

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from tests.benchmarks.bench import Bench
from tests.benchmarks.site import running
from tests.benchmarks.sizes import SIZES

_TOLD = ("PREFECT_API_URL", "PREFECT_HOME")


def main(
    size: Annotated[str, typer.Option(help=f"How much data: {', '.join(SIZES)}.")] = "medium",
    folder: Annotated[Path, typer.Option(help="Keeps the logs that are made.")] = Path(".bench"),
) -> None:
    """Start the services of the benchmarks, full of logs; Enter empties results and database."""
    if size not in SIZES:
        raise typer.BadParameter(f"sizes: {', '.join(SIZES)}")
    with (
        TemporaryDirectory(prefix="user-page-views-bench-") as temporary,
        running(Path(temporary)) as site,
    ):
        bench = Bench(site, SIZES[size], folder / size, rounds=1)
        bench.fill(bench.size.days)
        for name in _TOLD:
            print(f"export {name}={shlex.quote(site.variables[name])}")
        print(f"export DATABASE_URL={shlex.quote(site.database_url)}")
        while (
            typer.prompt("Enter: the next run is a cold one; q: end", "", show_default=False) != "q"
        ):
            site.forget()


if __name__ == "__main__":
    typer.run(main)
