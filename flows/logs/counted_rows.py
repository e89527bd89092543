"""Rows of user_page_views on their way into a Parquet file: held in arrays, some at a time.

A table of DuckDB's would make statistics of each column that nobody asks for, which takes three
times as long.
"""

from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from flows.logs.duck import write

_COLUMNS = {"user_id": np.int64, "url": np.int32, "count": np.int64, "last_viewed": np.int64}
_HELD_ROWS = 5 * 2**20
_SELECT = "SELECT user_id, url, count, make_timestamp(last_viewed) AS last_viewed FROM held"


class CountedRows:
    """Takes rows in their order: user_id, url, count and last_viewed (microseconds).

    Args:
        connection: Writes them.
        scratch: A folder for the files.
        held: How many rows are held in memory at most.

    Attributes:
        rows, page_views: How many there are, and the page views that they stand for.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, scratch: Path, held: int = _HELD_ROWS
    ) -> None:
        self.rows = self.page_views = 0
        self._connection, self._scratch = connection, scratch
        # Memory is taken as it fills.
        self._held = {name: np.empty(held, kind) for name, kind in _COLUMNS.items()}
        self._room, self._filled = held, 0
        self._pieces: list[Path] = []

    def add(self, rows: dict[str, NDArray[np.int64]]) -> None:
        """Take rows in."""
        size = rows["user_id"].size
        self.rows += size
        self.page_views += int(rows["count"].sum())
        first = 0
        while first < size:
            if self._filled == self._room:
                self._write_piece()
            last = min(size, first + self._room - self._filled)
            for name, column in self._held.items():
                column[self._filled : self._filled + last - first] = rows[name][first:last]
            self._filled += last - first
            first = last

    def write(self, path: Path) -> Path:
        """Write all of them into one file, and give its path."""
        self._write_piece()
        if len(self._pieces) == 1:
            return self._pieces[0].rename(path)
        pieces = [str(piece) for piece in self._pieces]
        write(self._connection, "SELECT * FROM read_parquet($pieces)", path, pieces=pieces)
        for piece in self._pieces:
            piece.unlink()
        return path

    def _write_piece(self) -> None:
        some = {name: column[: self._filled] for name, column in self._held.items()}
        self._connection.register("held", some)
        piece = self._scratch / f"rows-{len(self._pieces)}.parquet"
        self._pieces.append(write(self._connection, _SELECT, piece))
        self._connection.unregister("held")
        self._filled = 0
