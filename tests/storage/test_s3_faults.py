"""The flow through an S3 endpoint with faults: the table is the model's, nothing is lost."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_plus, urlsplit

import pytest
from moto.backends import get_backend

from blocks import environment
from flows.errors import StorageError
from tests.support.long import sampled
from tests.support.model import model
from tests.support.s3_proxy import Answer, Forward, Intercept, Request, error, intercepting
from tests.support.world import ACCESS_KEY, Services, World
from tests.test_user_page_views import assert_account, update, view

pytestmark = pytest.mark.usefixtures("no_s3_waits")


def sort_of(request: Request) -> str:
    """list, get or put, of the logs bucket or of the results storage."""
    parts = urlsplit(request.path)
    bucket = "logs" if parts.path.split("/")[1].endswith("-logs") else "results"
    if request.method != "GET":
        return f"{request.method.lower()} {bucket}"
    return f"{'list' if 'list-type' in parts.query else 'get'} {bucket}"


@dataclass
class Faults:
    """What the endpoint does to requests; by default it passes all on."""

    world: World
    objects: dict[str, bytes] = field(default_factory=dict)
    fault: Intercept = lambda request, forward: forward()
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, sort

    def put(self, key: str, body: str | bytes) -> None:
        self.objects[key] = body.encode() if isinstance(body, str) else body
        self.world.put(key, body)

    def intercept(self, request: Request, forward: Forward) -> Answer | None:
        self.requests.append((request.method, request.path, sort_of(request)))
        return self.fault(request, forward)

    def of(self, sort: str) -> list[str]:
        return [path for _, path, found in self.requests if found == sort]

    def check(self, id: str) -> int:
        """Run the id twice and compare the table with the model; return how many were parsed."""
        summary = self.world.run(id)
        expected = model(self.objects)
        assert self.world.rows() == expected.rows
        assert_account(summary, expected)
        assert self.world.run(id) == summary
        return summary.objects_parsed


@pytest.fixture
def faults(services: Services, prefect_server: None) -> Iterator[Faults]:
    """An environment behind an endpoint that can be told to fail, with two logs of each kind."""
    found = Faults(World.new(services))
    for number in (1, 2):
        found.put(f"PageViews/{number}", "".join(view(user) for user in range(number * 3)))
        found.put(f"UserUpdates/{number}", update(number, f"user{number}@example.com"))
    with intercepting(services.s3_endpoint, found.intercept) as url:
        found.world.register(S3_ENDPOINT_URL=url)
        yield found


SORTS = ["get logs", "put results", "list logs", "list results", "get results"]


@pytest.mark.parametrize(
    ("status", "code"), sampled([(503, "SlowDown"), (500, "InternalError"), (503, "XMinioServerNotInitialized")], 3)
)
def test_a_run_succeeds_although_the_first_requests_of_every_kind_are_refused(
    faults: Faults, status: int, code: str
) -> None:
    refused: Counter[str] = Counter()

    def fault(request: Request, forward: Forward) -> Answer:
        sort = sort_of(request)
        if refused[sort] < 5:
            refused[sort] += 1
            return error(status, code)
        return forward()

    faults.fault = fault
    assert faults.check("one") == 4
    assert {sort: refused[sort] for sort in SORTS} == dict.fromkeys(SORTS, 5)


@pytest.mark.parametrize("sort", sampled(SORTS, 5))
def test_an_endpoint_that_keeps_refusing_fails_the_run_and_a_rerun_resumes(faults: Faults, sort: str) -> None:
    faults.check("zero")
    before = faults.world.rows()
    faults.put("PageViews/3", view(9))

    def fault(request: Request, forward: Forward) -> Answer:
        return error(503, "SlowDown") if sort_of(request) == sort else forward()

    faults.fault = fault
    with pytest.raises(Exception, match=r"SlowDown.*run the same id again"):
        faults.world.run("one")
    assert faults.world.rows() == before
    faults.fault = lambda request, forward: forward()
    assert faults.check("one") == 1


@contextmanager
def impatient(monkeypatch: pytest.MonkeyPatch, **settings: int) -> Iterator[threading.Event]:
    """Within: the product waits for an answer for a second; at the end, the event is set."""
    ends = threading.Event()
    for name, value in {"_READ_SECONDS": 1, **settings}.items():
        monkeypatch.setattr(environment, name, value)
    environment._client.cache_clear()
    try:
        yield ends
    finally:
        ends.set()
        environment._client.cache_clear()


@pytest.mark.long
def test_a_request_without_an_answer_is_repeated(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Counter[str]()

    def fault(request: Request, forward: Forward) -> Answer:
        sort = sort_of(request)
        if sort.endswith("logs") and stalled[sort] < 2:
            stalled[sort] += 1
            ends.wait(60)
        return forward()

    faults.fault = fault
    with impatient(monkeypatch) as ends:
        assert faults.check("one") == 4
    assert stalled == {"list logs": 2, "get logs": 2}


@pytest.mark.long
def test_a_results_storage_that_does_not_answer_fails_the_run_and_a_rerun_finishes_it(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.check("zero")
    before = faults.world.rows()
    faults.put("PageViews/3", view(9))

    def fault(request: Request, forward: Forward) -> Answer | None:
        if not sort_of(request).endswith("results"):
            return forward()
        ends.wait(60)
        return None

    faults.fault = fault
    with (
        impatient(monkeypatch, _ATTEMPTS=2) as ends,
        pytest.raises(StorageError, match=r"results.*ReadTimeoutError.*S3_ENDPOINT_URL"),
    ):
        faults.world.run("one")
    assert faults.world.rows() == before
    faults.fault = lambda request, forward: forward()
    assert faults.check("one") == 1


@pytest.mark.parametrize("change", sampled(["overwritten", "deleted"], 2))
def test_a_run_lists_again_if_an_object_changes_after_the_listing(faults: Faults, change: str) -> None:
    changed: list[str] = []

    def fault(request: Request, forward: Forward) -> Answer:
        if sort_of(request) == "get logs" and request.key == "PageViews/1" and not changed:
            changed.append(request.path)
            if change == "overwritten":
                faults.put("PageViews/1", view(77, "/new/"))
            else:
                faults.world.delete("PageViews/1")
                del faults.objects["PageViews/1"]
        return forward()

    faults.fault = fault
    # All that remain were parsed by this run, some of them for an earlier listing of its own.
    assert faults.check("one") == len(faults.objects)
    assert changed
    [healed] = faults.world.run("one").healed
    assert "'PageViews/1' was deleted or overwritten after it was listed" in healed
    # No version but the one that counts was stored.
    assert faults.world.run("two").objects_parsed == 0


@pytest.mark.long
def test_an_object_that_changes_each_time_fails_the_run_after_a_bounded_number_of_listings(faults: Faults) -> None:
    faults.check("zero")
    before = faults.world.rows()
    faults.put("PageViews/3", view(3))
    numbers = iter(range(100, 200))

    def fault(request: Request, forward: Forward) -> Answer:
        if sort_of(request) == "get logs":
            faults.put("PageViews/3", view(next(numbers)))
        return forward()

    faults.fault = fault
    with pytest.raises(StorageError, match=r"4 times.*'PageViews/3'"):
        faults.world.run("one")
    assert faults.world.rows() == before
    faults.fault = lambda request, forward: forward()
    assert faults.check("one") == 1


def test_a_rerun_with_fresh_credentials_resumes_after_they_expired(faults: Faults) -> None:
    expired, stored = ACCESS_KEY, threading.Event()

    def fault(request: Request, forward: Forward) -> Answer:
        old = f"={expired}/" in request.headers["Authorization"]
        if old and sort_of(request) == "get logs" and "UserUpdates" in request.path:
            assert stored.wait(60)
            return error(400, "ExpiredToken")
        answer = forward()
        if sort_of(request) == "put results" and re.search(r"/extracts/.*\.json$", request.path):
            stored.set()
        return answer

    faults.fault = fault
    with pytest.raises(StorageError, match=r"expired: register fresh AWS credentials and run the"):
        faults.world.run("one")
    faults.world.register(AWS_ACCESS_KEY_ID="AKIDFRESHKEY")
    assert faults.check("one") == 2  # the page views had been stored


@pytest.mark.long
def test_the_logs_bucket_is_only_listed_and_read(faults: Faults) -> None:
    faults.check("one")
    faults.put("PageViews/3", view(9))
    faults.check("two")
    logs = [(method, path) for method, path, sort in faults.requests if sort.endswith("logs")]
    assert {method for method, _ in logs} == {"GET"}
    keys = [urlsplit(path) for _, path in logs]
    for parts in keys:
        listing = parse_qs(parts.query).get("list-type") == ["2"]
        assert listing or parts.path.count("/") >= 3, parts


# Keys.

NASTY = [
    *("a b", " a ", "100%", "a%20b", "a+b", "a%2Fb", "a//b", "/a", "-rf", "a?b=c", "a#b", "a&b", "tab\there"),
    *(unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"), "😀", "線.jsonl", "./a", "b/../a"),
    *("'\"`", "<&amp;>", "\\back", "x;y=z,@:$!*()[]{}|^~"),
]


def test_keys_with_any_characters_are_read_and_reported_exactly(faults: Faults) -> None:
    for number, key in enumerate(NASTY):
        faults.put(f"PageViews/{key}", view(100 + number) + "{bad\n" + view(1) * 30)
    assert faults.check("one") == 4 + len(NASTY)
    named = faults.world.execute("SELECT object_key FROM rejected_records")
    assert sorted(key for (key,) in named) == sorted(f"PageViews/{key}" for key in NASTY)


@pytest.mark.long
def test_keys_with_newlines_are_read_and_reported_exactly(faults: Faults) -> None:
    # moto finds no object whose key holds a newline: one stands in for it behind the proxy.
    stand_in = "NEWLINE"
    faults.world.put(f"PageViews/a{stand_in}b", view(50) + "{bad\n" + view(1) * 30)
    faults.objects["PageViews/a\nb"] = (view(50) + "{bad\n" + view(1) * 30).encode()

    def fault(request: Request, forward: Forward) -> Answer:
        assert stand_in not in request.path
        request.path = request.path.replace("%0A", stand_in)
        answer = forward()
        if sort_of(request) == "list logs":
            assert "encoding-type=url" in request.path
            assert isinstance(answer.body, bytes)
            answer.body = answer.body.replace(stand_in.encode(), b"%0A")
        return answer

    faults.fault = fault
    assert faults.check("one") == 5
    assert faults.world.execute("SELECT object_key FROM rejected_records") == [("PageViews/a\nb",)]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_listing_of_twenty_five_thousand_keys_is_read_to_its_end(faults: Faults) -> None:
    bucket = faults.world.settings["LOGS_BUCKET"]
    backend = get_backend("s3")["123456789012"]["aws"]
    for number in range(25_000):
        page, name = divmod(number, 1_000)
        key = f"PageViews/{page:02}/{name:04}/_marker"
        backend.put_object(bucket, key, b"")
    for page in range(25):
        faults.put(f"PageViews/{page:02}/0500/log", view(1_000 + page))
    assert faults.check("one") == 4 + 25
    pages = [path for path in faults.of("list logs") if "PageViews" in unquote_plus(path)]
    assert len(pages) == 26
    assert len({re.sub("X-Amz.*", "", path) for path in pages}) == 26
