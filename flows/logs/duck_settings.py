"""DuckDB's limits, known without DuckDB: a run that finds its id published never loads it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DuckSettings:
    """Limits of the data work: DuckDB's memory (such as `1GB`), its threads, its spill folder."""

    memory_limit: str = "1GB"
    threads: int = 2
    spill: Path | None = None
