"""Objects as streams over connections that break: the same bytes, or a clear error."""

from __future__ import annotations

import gzip
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr
from tenacity import wait_none

from blocks import environment
from blocks.credentials import AwsSessionCredentials
from flows.errors import ObjectChanged, StorageError
from flows.logs.streams import decompressed
from flows.storage.bodies import _Body
from flows.storage.bucket_results import BucketResults
from flows.storage.folder_results import FolderResults
from flows.storage.logs_bucket import LogsBucket
from tests.support.s3_proxy import Answer, Forward, Intercept, Request, error, intercepting
from tests.support.world import ACCESS_KEY, SECRET_KEY, Services

BODY = random.Random(1).randbytes(3 * 2**20)
SIZE = len(BODY)
KEY = "an object"


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Body._some.retry, "wait", wait_none())


@pytest.fixture
def services(s3_endpoint: str) -> Services:
    """The S3 endpoint alone."""
    return Services(s3_endpoint, "")


@pytest.fixture
def bucket(services: Services) -> Iterator[str]:
    """A bucket with one object."""
    name = "bodies"
    services.s3.create_bucket(Bucket=name)
    services.s3.put_object(Bucket=name, Key=KEY, Body=BODY)
    yield name
    for item in services.s3.list_objects_v2(Bucket=name).get("Contents", []):
        services.s3.delete_object(Bucket=name, Key=item["Key"])
    services.s3.delete_bucket(Bucket=name)


if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Opened = Callable[[Intercept], LogsBucket]


@pytest.fixture
def through(services: Services, bucket: str) -> Iterator[Callable[[Intercept], LogsBucket]]:
    """Gives the bucket as the product reads it, through an interceptor."""
    ends = []

    def start(intercept: Intercept) -> LogsBucket:
        proxy = intercepting(services.s3_endpoint, intercept)
        ends.append(proxy)
        return LogsBucket(client(proxy.__enter__()), bucket, "")

    yield start
    for proxy in ends:
        proxy.__exit__(None, None, None)


def client(endpoint: str) -> S3Client:
    """The product's client, with a shorter time limit."""
    credentials = AwsSessionCredentials(
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SecretStr(SECRET_KEY),
        aws_client_parameters=AwsClientParameters(
            endpoint_url=endpoint, config={"read_timeout": 1}
        ),
    )
    block = environment.LogsBucket(bucket_name="any", credentials=credentials)
    return environment.s3_client(block)


def listed(logs: LogsBucket, key: str = KEY) -> tuple[str, str, int]:
    """A key's entry in the listing."""
    [found] = [item for item in logs.list("") if item[0] == key]
    return found


def is_get(request: Request) -> bool:
    """Whether the request is one for an object."""
    return request.method == "GET" and "list-type" not in request.path


class Cuts:
    """Cuts the bodies of the first answers at these places, and notes the ranges asked for."""

    def __init__(self, cuts: list[int], *, reset: bool = False) -> None:
        self.cuts, self.reset = cuts, reset
        self.ranges: list[str | None] = []

    def __call__(self, request: Request, forward: Forward) -> Answer:
        answer = forward()
        if is_get(request):
            self.ranges.append(request.headers.get("Range"))
            if self.cuts:
                answer.cut_after, answer.reset = self.cuts.pop(0), self.reset
        return answer


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    "cuts",
    [
        [0],
        [1],
        [SIZE // 2],
        [SIZE - 1],
        [0, 0, 0, 0],
        [SIZE // 3, 0, 1, SIZE // 3, 0, 5],
        [2**18] * 11,
    ],
    ids=str,
)
def test_a_body_that_breaks_goes_on_where_it_was(
    through: Opened, cuts: list[int], reset: bool
) -> None:
    wanted = len(cuts) + 1
    intercept = Cuts(list(cuts), reset=reset)
    logs = through(intercept)
    with logs.opened(*listed(logs)) as stream:
        assert stream.read() == BODY
    assert len(intercept.ranges) == wanted
    starts = [int((r or "bytes=0-")[6:-1]) for r in intercept.ranges]
    assert starts == sorted(starts)
    if sum(cuts) >= 2**20:
        assert starts[-1] > 0


def test_small_reads_give_the_same_bytes_as_large_ones(through: Opened) -> None:
    logs = through(Cuts([1000, 1000]))
    with logs.opened(*listed(logs)) as stream:
        assert b"".join(iter(lambda: stream.read(99_991), b"")) == BODY


def test_a_body_that_always_breaks_at_one_place_is_given_up_after_five_tries(
    through: Opened,
) -> None:
    intercept = Cuts([2**19, 0, 0, 0, 0, 0, 0])
    logs = through(intercept)
    with (
        logs.opened(*listed(logs)) as stream,
        pytest.raises(StorageError, match=rf"'{KEY}'.*broke off 5 times.*run the same id again"),
    ):
        stream.read()
    assert len(intercept.ranges) == 5


def test_a_body_that_stands_still_is_taken_up_again(through: Opened) -> None:
    ends = threading.Event()
    gets: list[str | None] = []

    def stall(request: Request, forward: Forward) -> Answer:
        answer = forward()
        if not is_get(request):
            return answer
        gets.append(request.headers.get("Range"))
        if len(gets) == 1:

            def pieces() -> Iterator[bytes]:
                yield BODY[: SIZE // 2]
                ends.wait(30)

            answer.body, answer.length = pieces(), SIZE
        return answer

    logs = through(stall)
    try:
        with logs.opened(*listed(logs)) as stream:
            assert stream.read() == BODY
    finally:
        ends.set()
    assert len(gets) == 2
    assert gets[1] is not None


def test_a_server_that_knows_no_ranges_gives_the_same_bytes(through: Opened) -> None:
    cuts = Cuts([SIZE // 2, SIZE // 2 + 2**19])

    def rangeless(request: Request, forward: Forward) -> Answer:
        asked = request.headers.pop("Range", None)
        answer = cuts(request, forward)
        cuts.ranges[-1:] = [asked] if is_get(request) else []
        return answer

    logs = through(rangeless)
    with logs.opened(*listed(logs)) as stream:
        assert stream.read() == BODY
    assert len(cuts.ranges) == 3
    assert cuts.ranges[1] is not None


def test_other_bytes_than_were_asked_for_are_an_error(through: Opened) -> None:
    cuts = Cuts([SIZE // 2])

    def elsewhere(request: Request, forward: Forward) -> Answer:
        if "Range" in request.headers:
            request.headers["Range"] = "bytes=7-"
        return cuts(request, forward)

    logs = through(elsewhere)
    with logs.opened(*listed(logs)) as stream, pytest.raises(StorageError, match="other bytes"):
        stream.read()


def test_a_body_whose_announced_length_is_too_short_is_no_end(through: Opened) -> None:
    gets = []

    def short(request: Request, forward: Forward) -> Answer:
        answer = forward()
        if is_get(request):
            gets.append(request)
            if len(gets) == 1:
                answer.body = BODY[: SIZE // 2]
        return answer

    logs = through(short)
    with logs.opened(*listed(logs)) as stream:
        assert stream.read() == BODY
    assert len(gets) == 2


def test_a_body_longer_than_was_listed_is_an_error(through: Opened) -> None:
    def longer(request: Request, forward: Forward) -> Answer:
        answer = forward()
        if is_get(request):
            answer.body = BODY + b"x"
        return answer

    logs = through(longer)
    with pytest.raises(StorageError, match="answers with"):
        logs.opened(*listed(logs))


@pytest.mark.parametrize("key", ["x.gz", "x.zst"])
def test_a_compressed_object_is_taken_up_again_too(
    through: Opened, services: Services, bucket: str, key: str
) -> None:
    packed = gzip.compress(BODY) if key == "x.gz" else zstandard.compress(BODY)
    services.s3.put_object(Bucket=bucket, Key=key, Body=packed)
    logs = through(Cuts([1, 2**19, 2**19]))
    with logs.opened(*listed(logs, key)) as stream:
        assert b"".join(decompressed(stream, key)) == BODY


@pytest.mark.parametrize("how", ["deleted", "overwritten"])
@pytest.mark.parametrize("when", ["before", "within"])
def test_a_version_that_is_gone_is_told_and_another_never_mixed_in(
    through: Opened, services: Services, bucket: str, how: str, when: str
) -> None:
    def change() -> None:
        if how == "deleted":
            services.s3.delete_object(Bucket=bucket, Key=KEY)
        else:
            services.s3.put_object(Bucket=bucket, Key=KEY, Body=BODY[::-1])

    cuts = Cuts([2**20])

    def intercept(request: Request, forward: Forward) -> Answer:
        answer = cuts(request, forward)
        if is_get(request) and len(cuts.ranges) == 1 and when == "within":
            change()
        return answer

    logs = through(intercept)
    entry = listed(logs)
    if when == "before":
        change()
    got = b""

    def read_on() -> None:
        nonlocal got
        with logs.opened(*entry) as stream:
            while True:
                got += stream.read(1000)

    with pytest.raises(ObjectChanged, match=rf"'{KEY}' was deleted or overwritten"):
        read_on()
    assert BODY.startswith(got)
    assert (len(got) > 0) == (when == "within")
    assert len(cuts.ranges) == (1 if when == "before" else 2)


def test_a_server_that_knows_no_if_match_is_found_out_by_the_version_it_names(
    through: Opened, services: Services, bucket: str
) -> None:
    def unconditional(request: Request, forward: Forward) -> Answer:
        request.headers.pop("If-Match", None)
        return forward()

    logs = through(unconditional)
    entry = listed(logs)
    services.s3.put_object(Bucket=bucket, Key=KEY, Body=BODY[::-1])
    with pytest.raises(ObjectChanged):
        logs.opened(*entry)


def test_a_refusal_in_mid_stream_is_no_change_of_the_object(through: Opened) -> None:
    cuts = Cuts([2**20])

    def expires(request: Request, forward: Forward) -> Answer:
        return error(400, "ExpiredToken") if cuts.ranges else cuts(request, forward)

    logs = through(lambda r, f: expires(r, f) if is_get(r) else f())
    entry = listed(logs)
    with (
        logs.opened(*entry) as stream,
        pytest.raises(StorageError, match="expired: register fresh AWS credentials") as found,
    ):
        stream.read()
    assert not isinstance(found.value, ObjectChanged)


# The results storage.


def test_results_outlive_connections_that_break(
    through: Opened, services: Services, bucket: str, tmp_path: Path
) -> None:
    logs = through(Cuts([2**19, 0, 2**19, 0]))
    results = BucketResults(logs._client, bucket, "")
    assert results.read(KEY) == BODY
    results.download(KEY, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert results.read("nothing") is None


def test_a_result_that_is_gone_is_told_and_leaves_no_file(
    services: Services, bucket: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    results = BucketResults(client(services.s3_endpoint), bucket, "")
    assert not results.download("nothing", file)
    assert not FolderResults(tmp_path).download("nothing", file)
    assert not file.exists()


def test_a_file_is_stored_in_one_request(through: Opened, bucket: str, tmp_path: Path) -> None:
    requests: list[str] = []

    def note(request: Request, forward: Forward) -> Answer:
        requests.append(f"{request.method} {request.path}")
        return forward()

    (tmp_path / "file").write_bytes(b"x" * 20 * 2**20)
    BucketResults(through(note)._client, bucket, "").upload(tmp_path / "file", "large")
    assert requests == [f"PUT /{bucket}/large"]


def test_a_refused_upload_says_what_to_do(through: Opened, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    results = BucketResults(through(lambda *_: error(403, "AccessDenied"))._client, bucket, "")
    with pytest.raises(StorageError, match="grant them access"):
        results.upload(tmp_path / "file", "name")


@pytest.mark.parametrize("action", ["list", "read", "write", "delete", "download"])
def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, action: str) -> None:
    (tmp_path / "storage").write_text("a file where a folder should be")
    results = FolderResults(tmp_path / "storage")
    actions: dict[str, Callable[[], object]] = {
        "list": lambda: results.list("a/"),
        "read": lambda: results.read("a/b"),
        "write": lambda: results.write("a/b", b""),
        "delete": lambda: results.delete("a/b"),
        "download": lambda: results.download("a/b", tmp_path / "x"),
    }
    with pytest.raises(StorageError, match=r"storage.*Not a directory.*run again"):
        actions[action]()
