"""The same logs with other tools: Luigi and dlt, in a virtual environment of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.bench import Bench, Figure
from tests.benchmarks.site import LOGS
from tests.benchmarks.timed import ROOT, Timed, timed

_FOLDER = ROOT / ".bench" / "others"
_REQUIREMENTS = Path(__file__).with_name("others.txt")


def others_python() -> Path:
    """The Python that has what the other solutions need; its environment is made when absent."""
    python = _FOLDER / "bin" / "python"
    # Written last, so that an installation that broke off is made again, as is one of other pins.
    marker, pins = _FOLDER / "installed.txt", _REQUIREMENTS.read_text(encoding="utf-8")
    if not marker.exists() or marker.read_text(encoding="utf-8") != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", _FOLDER], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # Standard output holds the table of the figures.
        subprocess.run([python, *install, "-r", _REQUIREMENTS], check=True, stdout=sys.stderr)
        marker.write_text(pins, encoding="utf-8")
    return python


def others(bench: Bench) -> list[Figure]:
    """One day on an empty database: the script, the service, Luigi and dlt, with equal tables."""
    python = others_python()
    bench.fill(1)
    where = (bench.site.endpoint, LOGS, bench.site.database_url)
    # Without it dlt reports each run to its makers.
    variables = {**bench.site.variables, "RUNTIME__DLTHUB_TELEMETRY": "false"}

    def solution(name: str) -> Callable[[], Timed]:
        command = [str(python), f"tests/benchmarks/{name}_solution.py", *where]
        return lambda: timed(command, variables)

    script, service, luigi, dlt = bench.in_turn(
        bench.baseline, bench.first, solution("luigi"), solution("dlt")
    )
    bench.check()
    for name in ("luigi", "dlt"):
        bench.check(f"public.{name}_user_page_views")
    lines = bench.size.views + bench.size.updates
    return [
        Figure(
            f"the same logs with {what}",
            "no figure was set",
            f"{other.median:.1f} s, {other.peak:,.0f} MiB (service {service.median:.1f} s, "
            f"script {script.median:.1f} s; {lines:,} lines)",
        )
        for what, other in (
            ("Luigi (as its tutorial teaches)", luigi),
            ("dlt (as its documentation teaches)", dlt),
        )
    ]
