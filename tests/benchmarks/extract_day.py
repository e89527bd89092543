"""A day's page views into Parquet, with all validation or with none, on one thread.

`python -m tests.benchmarks.extract_day strict|typed FOLDER` prints how many rows came out of all
files and the sum of their hashes, and the seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from flows.logs.duck import PARQUET, duck
from flows.logs.duck_settings import DuckSettings
from flows.logs.extract import Extractor
from flows.logs.objects import LogObject

# The hashes of the files' rows: equal sums stand for equal rows.
_STRICT_ROWS = """
WITH lists AS (
    SELECT string_split(decode(value), chr(0)) AS list
    FROM parquet_kv_metadata($file)
    WHERE decode(key) = 'urls'
)
SELECT count(*), coalesce(sum(hash(instant, lists.list[events.url + 1], user_id)), 0)
FROM read_parquet($file) AS events, lists
"""
_TYPED_ROWS = "SELECT count(*), coalesce(sum(hash(ts, url, user_id)), 0) FROM read_parquet($file)"
TYPED = """
COPY (
    SELECT DISTINCT ts, url, user_id
    FROM read_json(
        $file,
        columns = {ts: 'TIMESTAMP', url: 'VARCHAR', environment: 'VARCHAR', user_id: 'BIGINT'},
        format = 'newline_delimited'
    )
    WHERE environment = 'production'
) TO $target
"""


def main(how: str, folder: Path) -> None:
    files = sorted(folder.glob("PageViews/**/*.json"))

    @contextmanager
    def opened(item: LogObject) -> Iterator[BinaryIO]:
        with Path(item.key).open("rb") as file:
            yield file

    with TemporaryDirectory() as scratch, duck(DuckSettings(threads=1)) as connection:
        extractor = Extractor(connection, "production", Path(scratch))

        def extract(file: Path) -> None:
            if how == "strict":
                item = LogObject("page_views", str(file), "", file.stat().st_size)
                extractor.extract([item], opened)
            else:
                target = str(Path(scratch, "typed.parquet"))
                connection.execute(f"{TYPED} ({PARQUET})", {"file": str(file), "target": target})

        extract(files[0])  # what is compiled is loaded
        seconds, rows, hashes = 0.0, 0, 0
        for file in files:
            start = time.perf_counter()
            extract(file)
            seconds += time.perf_counter() - start
            [events] = Path(scratch).glob("*.parquet")
            query = _STRICT_ROWS if how == "strict" else _TYPED_ROWS
            [(count, total)] = connection.execute(query, {"file": str(events)}).fetchall()
            rows, hashes = rows + count, hashes + total
        print(rows, hashes, seconds)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
