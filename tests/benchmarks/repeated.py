"""An S3 endpoint that serves days of logs again and again under other dates, made as they are read.

Ten times 3 GB are too much for a test endpoint. So this one answers for the logs bucket and passes
all other requests on.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks.bench import LOGS
from tests.benchmarks.data import FIRST_DAY
from tests.support.s3_proxy import Answer, Forward, Request, intercepting


@dataclass(frozen=True)
class _Repeated:
    """A file under another date."""

    file: Path
    dates: tuple[str, str]

    def body(self) -> bytes:
        old, new = (date.encode() for date in self.dates)
        return self.file.read_bytes().replace(old, new)


@contextmanager
def repeated_days(endpoint: str, days: list[list[Path]], times: int) -> Iterator[str]:
    """The URL of such an endpoint.

    Args:
        endpoint: The one behind it.
        days: The folders of each day's logs, from `FIRST_DAY` on.
        times: How often they are served, each time under later dates.
    """
    objects: dict[str, _Repeated] = {}
    for again in range(times):
        for number, folders in enumerate(days):
            old = FIRST_DAY + timedelta(days=number)
            new = old + timedelta(days=again * len(days))
            for folder in folders:
                for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                    key = file.relative_to(folder).as_posix()
                    key = key.replace(f"{old:%Y/%m/%d}", f"{new:%Y/%m/%d}")
                    objects[key] = _Repeated(file, (f"{old:%Y-%m-%d}", f"{new:%Y-%m-%d}"))

    def etag(key: str) -> str:
        return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()

    @cache
    def listing(prefix: str) -> bytes:
        items = "".join(
            f"<Contents><Key>{key}</Key><ETag>&quot;{etag(key)}&quot;</ETag>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<Size>{one.file.stat().st_size}</Size></Contents>"
            for key, one in sorted(objects.items())
            if key.startswith(prefix)
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult'
            f' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{LOGS}</Name>'
            f"<IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        ).encode()

    def answer(request: Request, forward: Forward) -> Answer | None:
        if request.bucket != LOGS:
            return forward()
        if request.key:
            return Answer(200, {"ETag": f'"{etag(request.key)}"'}, objects[request.key].body())
        prefix = parse_qs(urlsplit(request.path).query).get("prefix", [""])[0]
        return Answer(200, {"Content-Type": "application/xml"}, listing(prefix))

    with intercepting(endpoint, answer) as url:
        yield url
