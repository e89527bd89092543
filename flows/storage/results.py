"""Results storage: small records and Parquet files by name, in a bucket or in a folder."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Stored:
    """A stored name: its bytes, when it was last written, and a tag that each write changes."""

    size: int
    modified: datetime
    tag: str


class ResultsStorage(Protocol):
    """Named bytes. A write succeeds completely or not at all, and replaces earlier content."""

    def list(self, prefix: str) -> dict[str, Stored]:
        """The names that start with the prefix."""

    def read(self, name: str) -> bytes | None:
        """The bytes, or None if there are none."""

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes."""

    def delete(self, name: str) -> None:
        """Delete the name, if there is one."""

    def upload(self, source: Path, name: str) -> None:
        """Store a file."""

    def download(self, name: str, target: Path) -> bool:
        """Download a file; False if there is none."""
