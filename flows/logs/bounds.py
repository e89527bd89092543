"""Where the parts begin in which page views are counted: found from a sample of their users."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from flows.logs.partitions import PART_VIEWS
from flows.stopping import interrupted_by_stop

_SAMPLE_ROWS = 50_000


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
        users = connection.execute(
            "SELECT user_id FROM read_parquet($events)"
            f" USING SAMPLE reservoir({_SAMPLE_ROWS} ROWS) REPEATABLE (1)",
            events,
        ).fetchnumpy()["user_id"]
    users.sort()
    return np.unique(users[np.arange(1, wanted + 1) * len(users) // (wanted + 1)])
