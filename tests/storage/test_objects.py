"""Objects read over connections that break: the same bytes, or a clear error."""

from __future__ import annotations

import gzip
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from flows.errors import ObjectChanged, StorageError
from flows.logs.decompress import compression_of, decompressed
from flows.storage.bucket_results import BucketResults
from flows.storage.folder_results import FolderResults
from flows.storage.logs_bucket import LogsBucket
from flows.storage.objects import ATTEMPTS, ObjectStream
from tests.support.s3_proxy import Answer, Forward, Intercept, Request, error, intercepting
from tests.support.world import Services, product_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("no_s3_waits")

BODY = random.Random(1).randbytes(3 * 2**20)
SIZE = len(BODY)
KEY = "an object"
Through = Callable[[Intercept], "S3Client"]


@pytest.fixture
def services(s3_endpoint: str) -> Services:
    """The S3 endpoint alone."""
    return Services(s3_endpoint, "")


@pytest.fixture
def bucket(services: Services) -> Iterator[str]:
    """A bucket with one object."""
    name = "objects"
    services.s3.create_bucket(Bucket=name)
    services.s3.put_object(Bucket=name, Key=KEY, Body=BODY)
    yield name
    for item in services.s3.list_objects_v2(Bucket=name).get("Contents", []):
        services.s3.delete_object(Bucket=name, Key=item["Key"])
    services.s3.delete_bucket(Bucket=name)


@pytest.fixture
def through(services: Services, bucket: str) -> Iterator[Through]:
    """Gives the product's client, with a short time limit, of an endpoint with an interceptor."""
    with ExitStack() as stack:

        def start(intercept: Intercept) -> S3Client:
            endpoint = stack.enter_context(intercepting(services.s3_endpoint, intercept))
            return product_client(endpoint, {"read_timeout": 1})

        yield start


def is_get(request: Request) -> bool:
    """Whether the request is one for an object."""
    return request.method == "GET" and "list-type" not in request.path


class Cuts:
    """Cuts the bodies of the first answers at these places, and counts the requests."""

    def __init__(self, cuts: list[int], *, reset: bool = False) -> None:
        self.cuts, self.reset = list(cuts), reset
        self.gets = 0

    def __call__(self, request: Request, forward: Forward) -> Answer:
        answer = forward()
        if is_get(request):
            self.gets += 1
            if self.cuts:
                answer.cut_after, answer.reset = self.cuts.pop(0), self.reset
        return answer


def read(client: S3Client, bucket: str, key: str = KEY) -> bytes:
    """A log object as it is listed, in reads of an odd size; decompressed by its suffix."""
    logs = LogsBucket(client, bucket, "")
    [listed] = [item for item in logs.list("") if item[0] == key]
    return read_version(client, bucket, *listed)


def read_version(client: S3Client, bucket: str, key: str, etag: str, size: int) -> bytes:
    """A version of a log object."""

    def work(stream: ObjectStream) -> bytes:
        if compression := compression_of(key, stream.content_encoding):
            return b"".join(decompressed(stream, key, compression))
        return b"".join(iter(lambda: stream.read(99_991), b""))

    return LogsBucket(client, bucket, "").read(key, etag, size, work)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("cuts", [[0], [1], [SIZE - 1], [SIZE // 3, 0, 1, 2**20]], ids=str)
def test_an_object_whose_download_breaks_is_downloaded_again(
    through: Through, bucket: str, cuts: list[int], reset: bool
) -> None:
    intercept = Cuts(cuts, reset=reset)
    assert read(through(intercept), bucket) == BODY
    assert intercept.gets == len(cuts) + 1


@pytest.mark.parametrize("key", ["x.gz", "x.zst"])
def test_a_broken_download_of_a_compressed_object_is_not_a_truncated_object(
    through: Through, services: Services, bucket: str, key: str
) -> None:
    packed = gzip.compress(BODY) if key == "x.gz" else zstandard.compress(BODY)
    services.s3.put_object(Bucket=bucket, Key=key, Body=packed)
    assert read(through(Cuts([1, 2**19, len(packed) - 1])), bucket, key) == BODY


def test_a_download_that_always_breaks_is_given_up_after_five_tries(through: Through, bucket: str) -> None:
    intercept = Cuts([2**19] * 9)
    with pytest.raises(StorageError, match=rf"'{KEY}'.*broke off 5 times.*run the same id again"):
        read(through(intercept), bucket)
    assert intercept.gets == ATTEMPTS == 5


def test_a_download_that_stalls_is_started_again(through: Through, bucket: str) -> None:
    ends, gets = threading.Event(), []

    def stall(request: Request, forward: Forward) -> Answer:
        answer = forward()
        if is_get(request):
            gets.append(request)
            if len(gets) == 1:

                def pieces() -> Iterator[bytes]:
                    yield BODY[: SIZE // 2]
                    ends.wait(30)

                answer.body, answer.length = pieces(), SIZE
        return answer

    try:
        assert read(through(stall), bucket) == BODY
    finally:
        ends.set()
    assert len(gets) == 2


@pytest.mark.parametrize("body", [BODY[: SIZE // 2], BODY + b"x"])
def test_an_answer_of_another_length_than_listed_is_not_the_object(through: Through, bucket: str, body: bytes) -> None:
    wrong = 0

    def other(request: Request, forward: Forward) -> Answer:
        nonlocal wrong
        answer = forward()
        if is_get(request) and wrong < times:
            wrong += 1
            answer.body = body
        return answer

    times = 1
    assert read(through(other), bucket) == BODY
    times = 10
    with pytest.raises(StorageError, match=f"answers with {len(body)} bytes"):
        read(through(other), bucket)


@pytest.mark.parametrize("how", ["deleted", "overwritten"])
@pytest.mark.parametrize("when", ["before", "during"])
@pytest.mark.parametrize("if_match", [True, False], ids=["If-Match", "no If-Match"])
def test_a_version_that_is_gone_is_reported_and_never_mixed_with_another(
    through: Through, services: Services, bucket: str, how: str, when: str, if_match: bool
) -> None:
    def change() -> None:
        if how == "deleted":
            services.s3.delete_object(Bucket=bucket, Key=KEY)
        else:
            services.s3.put_object(Bucket=bucket, Key=KEY, Body=BODY[::-1])

    cuts = Cuts([2**20])

    def intercept(request: Request, forward: Forward) -> Answer:
        if not if_match:
            request.headers.pop("If-Match", None)
        answer = cuts(request, forward)
        if is_get(request) and cuts.gets == 1 and when == "during":
            change()
        return answer

    client = through(intercept)
    [listed] = LogsBucket(client, bucket, "").list("")
    if when == "before":
        change()
    with pytest.raises(ObjectChanged, match=rf"'{KEY}' was deleted or overwritten"):
        read_version(client, bucket, *listed)
    assert cuts.gets == (1 if when == "before" else 2)


def test_credentials_that_expire_between_downloads_do_not_look_like_a_changed_object(
    through: Through, bucket: str
) -> None:
    cuts = Cuts([2**20])

    def expires(request: Request, forward: Forward) -> Answer:
        return error(400, "ExpiredToken") if cuts.gets else cuts(request, forward)

    with pytest.raises(StorageError, match="expired: register fresh AWS credentials"):
        read(through(lambda r, f: expires(r, f) if is_get(r) else f()), bucket)


# The results storage.


def test_results_are_read_over_connections_that_break(through: Through, bucket: str, tmp_path: Path) -> None:
    results = BucketResults(through(Cuts([2**19, 0, 2**19, 0])), bucket, "")
    assert results.read(KEY) == BODY
    assert results.download(KEY, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_missing_result_is_reported_and_leaves_no_file(through: Through, bucket: str, tmp_path: Path) -> None:
    bucket_results = BucketResults(through(lambda request, forward: forward()), bucket, "")
    for results in (bucket_results, FolderResults(tmp_path)):
        assert results.read("nothing") is None
        assert not results.download("nothing", tmp_path / "file")
        assert not (tmp_path / "file").exists()


def test_a_file_is_stored_in_one_request(through: Through, bucket: str, tmp_path: Path) -> None:
    requests: list[str] = []

    def note(request: Request, forward: Forward) -> Answer:
        requests.append(f"{request.method} {request.path}")
        return forward()

    (tmp_path / "file").write_bytes(b"x" * 20 * 2**20)
    BucketResults(through(note), bucket, "").upload(tmp_path / "file", "large")
    assert requests == [f"PUT /{bucket}/large"]


def test_a_refused_upload_says_what_to_do(through: Through, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    results = BucketResults(through(lambda *_: error(403, "AccessDenied")), bucket, "")
    with pytest.raises(StorageError, match="grant them access"):
        results.upload(tmp_path / "file", "name")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "storage").write_text("a file, not a folder")
    results = FolderResults(tmp_path / "storage")
    actions: list[Callable[[], object]] = [
        *(lambda: results.list("a/"), lambda: results.read("a/b"), lambda: results.write("a/b", b"")),
        *(lambda: results.delete("a/b"), lambda: results.upload(tmp_path / "storage", "a/b")),
        lambda: results.download("a/b", tmp_path / "x"),
    ]
    for action in actions:
        with pytest.raises(StorageError, match=r"storage.*Not a directory.*run again"):
            action()
