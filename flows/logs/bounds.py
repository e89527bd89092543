"""Where the parts begin in which page views are counted: found from a sample of their users."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from flows.logs.partitions import PART_VIEWS
from flows.stopping import interrupted_by_stop

# DuckDB samples whole blocks of its rows four times as fast as rows. But rows that lie together may
# be of few users: so a tenth of all blocks, and never few of them.
_BLOCK_ROWS, _LEAST_BLOCKS, _BLOCKS_PERCENT = 2_048, 100, 10.0
# Of those some rows, as they wait in memory.
_LEAST_ROWS, _ROWS_OF_A_PART = 50_000, 500


def find_bounds(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> NDArray[np.int64]:
    """The first user of each part but the first, so that parts are about equal.

    The connection is interrupted by itself: what interrupts another one of the same database does
    not reach it.
    """
    events = {"events": [str(path) for path in paths]}
    with interrupted_by_stop(connection.interrupt):
        total = connection.execute("SELECT count(*) FROM read_parquet($events)", events).fetchone()
        assert total is not None
        wanted = total[0] // PART_VIEWS
        if wanted == 0:
            return np.empty(0, np.int64)
        least = 100 * _LEAST_BLOCKS * _BLOCK_ROWS / total[0]
        blocks = min(100, max(_BLOCKS_PERCENT, least))
        some = max(_LEAST_ROWS, _ROWS_OF_A_PART * wanted)
        rows = min(100, 100 * some / (total[0] * blocks / 100))
        users = connection.execute(
            "SELECT user_id FROM (SELECT user_id FROM read_parquet($events)"
            f" USING SAMPLE {blocks:.6f} PERCENT (system, 1))"
            f" USING SAMPLE {rows:.6f} PERCENT (bernoulli, 1)",
            events,
        ).fetchnumpy()["user_id"]
    if not users.size:
        return np.empty(0, np.int64)
    users.sort()
    return np.unique(users[np.arange(1, wanted + 1) * len(users) // (wanted + 1)])
