"""The stored figures of all cases, and the table that is made of them."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

import psutil

from tests.benchmarks.sizes import SIZES
from tests.benchmarks.targets import TARGETS, Target

_BEGIN, _END = "<!-- make bench writes from here -->\n", "<!-- to here -->\n"


@dataclass(frozen=True)
class Figure:
    """A measured value, None if the case failed; and what the table shows."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Row:
    """A target, and its figure if there is one."""

    name: str
    target: Target
    figure: Figure | None

    @property
    def is_missed(self) -> bool:
        """Whether the case failed, or missed the target."""
        if self.figure is None:
            return False
        return self.figure.value is None or not self.target.is_met(self.figure.value)


def store(file: Path, size: str, case: str, figures: list[Figure], rounds: int) -> None:
    """Replace a case's figures in the file of results."""
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    results.setdefault(size, {})[case] = {
        "figures": [[figure.value, figure.text] for figure in figures],
        "rounds": f"{rounds}",
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores and {psutil.virtual_memory().total / 1e9:.0f} GB",
    }
    file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def rows(file: Path, size: str) -> list[Row]:
    """All targets, with the figures that are stored."""
    results, found = json.loads(file.read_text(encoding="utf-8"))[size], []
    for case, targets in TARGETS.items():
        stored = [Figure(*one) for one in results[case]["figures"]] if case in results else []
        for target, figure in zip_longest(targets, stored):
            found.append(Row(target.name(SIZES[size]), target, figure))
    return found


def table(file: Path, size: str) -> str:
    """The results as a Markdown table, missed targets in bold; and when they were measured."""
    lines = ["| what | target | measured |", "| --- | --- | --- |"]
    for row in rows(file, size):
        text = row.figure.text if row.figure else "not measured"
        shown = f"**missed: {text}**" if row.is_missed else text
        unit = row.target.unit.format(size=SIZES[size])
        lines.append(f"| {row.name} | {row.target.bound} {unit} | {shown} |")
    cases = json.loads(file.read_text(encoding="utf-8"))[size].values()
    days, machines, rounds = (
        " or ".join(sorted({case[name] for case in cases})) for name in ("day", "machine", "rounds")
    )
    circumstances = f"Measured on {days}; {machines} of memory; medians; rounds: {rounds}."
    return "\n".join([*lines, "", circumstances, ""])


def write_into(page: Path, text: str) -> None:
    """Replace the part of a page between the markers."""
    before, rest = page.read_text(encoding="utf-8").split(_BEGIN)
    _, after = rest.split(_END)
    page.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")
