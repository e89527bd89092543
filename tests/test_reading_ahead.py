"""Objects of a bucket as plain files: decompressed, and requested together and ahead of need."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zstandard

from flows.errors import LogsError, ObjectChanged
from flows.logs.objects import LogObject
from flows.storage.logs_bucket import LogsBucket
from flows.tasks.reading import read_ahead
from tests.support.s3_proxy import Answer, Forward, Intercept, Request, intercepting
from tests.support.world import Services, product_client

TEXT, BOM = b"one\ntwo\n", b"\xef\xbb\xbf"
# Bodies with their Content-Encoding; each is TEXT as a plain file.
STORED = {
    "PageViews/plain": (TEXT, ""),
    "PageViews/BOM": (BOM + TEXT, ""),
    "PageViews/a.gz": (gzip.compress(BOM + b"one\n") + gzip.compress(BOM + b"two\n"), ""),
    "PageViews/a.zst": (zstandard.compress(BOM + b"one\n") + zstandard.compress(b"two\n"), ""),
    "PageViews/encoded gzip": (gzip.compress(TEXT), "gzip"),
    "PageViews/encoded zstd": (zstandard.compress(BOM + TEXT), "zstd"),
    "PageViews/encoded chunked": (gzip.compress(TEXT), "aws-chunked,gzip"),
    "PageViews/encoded chunked only": (TEXT, "aws-chunked"),
    "PageViews/encoded.gz": (gzip.compress(TEXT), "gzip"),
    **{f"PageViews/small {number:02}": (TEXT, "") for number in range(15)},
}
TOGETHER = 8


@pytest.fixture
def through(s3_endpoint: str) -> Iterator[Callable[[Intercept], LogsBucket]]:
    """Gives the bucket of these objects as the product reads it, through an interceptor."""
    s3, bucket = Services(s3_endpoint, "").s3, "ahead"
    s3.create_bucket(Bucket=bucket)
    for key, (body, encoding) in STORED.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentEncoding=encoding)
    with ExitStack() as stack:

        def start(intercept: Intercept) -> LogsBucket:
            client = product_client(stack.enter_context(intercepting(s3_endpoint, intercept)))
            return LogsBucket(client, bucket, "")

        yield start
    for item in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=item["Key"])
    s3.delete_bucket(Bucket=bucket)


def units_of(logs: LogsBucket, size: int) -> list[list[LogObject]]:
    """The bucket's objects in units of so many."""
    objects = [LogObject("page_views", *listed) for listed in logs.list("")]
    return [objects[at : at + size] for at in range(0, len(objects), size)]


def passed(request: Request, forward: Forward) -> Answer:
    """The endpoint's own answer."""
    return forward()


@pytest.mark.parametrize("size", [1, 5, 100])
def test_objects_become_plain_files_unit_by_unit(
    through: Callable[[Intercept], LogsBucket], size: int, tmp_path: Path
) -> None:
    asked = Counter[str]()

    def count(request: Request, forward: Forward) -> Answer:
        asked[request.key] += 1
        return forward()

    logs = through(count)
    units, found = units_of(logs, size), dict[str, bytes]()
    for unit, files in read_ahead(logs, units, 500, tmp_path):
        assert unit == units[len(found) // size]
        found |= {o.key: f.path.read_bytes() for o, f in zip(unit, files, strict=True)}
        assert {file.lines for file in files} == {2}
        assert len(list(tmp_path.iterdir())) <= 2
    assert found == dict.fromkeys(STORED, TEXT)
    assert list(tmp_path.iterdir()) == []
    assert {key: asked[key] for key in STORED} == dict.fromkeys(STORED, 1)


def test_objects_are_requested_together(through: Callable[[Intercept], LogsBucket], tmp_path: Path) -> None:
    barrier = threading.Barrier(TOGETHER, timeout=60)

    def wait_for_others(request: Request, forward: Forward) -> Answer:
        if request.key:
            barrier.wait()
        return forward()

    logs = through(wait_for_others)
    units = units_of(logs, 4)
    assert sum(len(files) for _, files in read_ahead(logs, units, 500, tmp_path)) == len(STORED)


def test_a_unit_is_usable_although_an_object_of_the_next_one_has_changed(
    through: Callable[[Intercept], LogsBucket], tmp_path: Path
) -> None:
    logs = through(passed)
    units = units_of(logs, 8)
    changed = units[1][3]
    units[1][3] = LogObject("page_views", changed.key, "0" * 32, changed.size)
    reading = read_ahead(logs, units, 500, tmp_path)
    assert next(reading)[0] == units[0]
    with pytest.raises(ObjectChanged, match=changed.key):
        next(reading)


def test_a_content_encoding_that_is_not_true_is_an_error_that_names_the_object(
    through: Callable[[Intercept], LogsBucket], s3_endpoint: str, tmp_path: Path
) -> None:
    s3 = Services(s3_endpoint, "").s3
    s3.put_object(Bucket="ahead", Key="PageViews/false", Body=TEXT, ContentEncoding="gzip")
    logs = through(passed)
    unit = [LogObject("page_views", *listed) for listed in logs.list("PageViews/false")]
    with pytest.raises(LogsError, match="'PageViews/false' cannot be decompressed"):
        list(read_ahead(logs, [unit], 500, tmp_path))
