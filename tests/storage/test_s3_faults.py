"""The flow through an S3 endpoint with faults: the model's table in the end, nothing lost."""

from __future__ import annotations

import gzip
import json
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_plus, urlsplit

import pytest
from botocore.retries.standard import ExponentialBackoff
from moto.backends import get_backend
from tenacity import wait_none

from blocks import environment
from flows.errors import StorageError
from flows.storage.bodies import _Body
from tests.support.model import model
from tests.support.s3_proxy import Answer, Forward, Intercept, Request, error, intercepting
from tests.support.world import ACCESS_KEY, Services, World
from tests.test_user_page_views import assert_account


def view(user: int, url: str = "/a/") -> str:
    record = {"ts": "2017-04-15T10:00:00", "url": url, "environment": "production", "user_id": user}
    return json.dumps(record) + "\n"


def update(user: int) -> str:
    return f'2017-04-01T00:00:00,{user},user{user}@example.com,"A Name",production\n'


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
        """Run the id; the table is the model's then, also of a rerun. How many were parsed."""
        summary = self.world.run(id)
        expected = model(self.objects)
        assert self.world.rows() == expected.rows
        assert_account(summary, expected)
        assert self.world.run(id) == summary
        return summary.objects_parsed


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    # The retries are the product's; only their waits are left out.
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *args: 0)
    monkeypatch.setattr(_Body._some.retry, "wait", wait_none())


@pytest.fixture
def faults(services: Services, prefect_server: None) -> Iterator[Faults]:
    """An environment behind an endpoint that can be told to fail, with two logs of each kind."""
    found = Faults(World.new(services))
    for number in (1, 2):
        found.put(f"PageViews/{number}", "".join(view(user) for user in range(number * 3)))
        found.put(f"UserUpdates/{number}", update(number))
    with intercepting(services.s3_endpoint, found.intercept) as url:
        found.world.register(S3_ENDPOINT_URL=url)
        yield found


OTHER_SORTS = ["list logs", "list results", "get results"]
SORTS = ["get logs", "put results", *OTHER_SORTS]


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError")])
def test_the_first_requests_of_every_sort_are_refused_and_the_run_succeeds(
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


@pytest.mark.parametrize(
    "sort",
    ["get logs", "put results", *(pytest.param(s, marks=pytest.mark.long) for s in OTHER_SORTS)],
)
def test_an_endpoint_that_keeps_refusing_fails_the_run_and_a_rerun_goes_on(
    faults: Faults, sort: str
) -> None:
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


def test_a_request_that_is_never_answered_is_made_again(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_READ_SECONDS", 1)
    environment._client.cache_clear()
    ends, stalled = threading.Event(), Counter[str]()

    def fault(request: Request, forward: Forward) -> Answer:
        sort = sort_of(request)
        if sort.endswith("logs") and stalled[sort] < 2:
            stalled[sort] += 1
            ends.wait(60)
        return forward()

    faults.fault = fault
    try:
        assert faults.check("one") == 4
    finally:
        ends.set()
        environment._client.cache_clear()
    assert stalled == {"list logs": 2, "get logs": 2}


def test_a_results_storage_that_does_not_answer_fails_the_run_and_a_rerun_finishes_it(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.check("zero")
    before = faults.world.rows()
    faults.put("PageViews/3", view(9))
    monkeypatch.setattr(environment, "_READ_SECONDS", 1)
    monkeypatch.setattr(environment, "_ATTEMPTS", 2)
    environment._client.cache_clear()
    ends = threading.Event()

    def fault(request: Request, forward: Forward) -> Answer | None:
        if sort_of(request).endswith("results"):
            ends.wait(60)
            return None
        return forward()

    faults.fault = fault
    try:
        with pytest.raises(StorageError, match=r"results.*ReadTimeoutError.*S3_ENDPOINT_URL"):
            faults.world.run("one")
    finally:
        ends.set()
        environment._client.cache_clear()
    assert faults.world.rows() == before
    faults.fault = lambda request, forward: forward()
    assert faults.check("one") == 1


@pytest.mark.parametrize("change", ["overwritten", "deleted"])
def test_an_object_that_changes_after_it_was_listed_is_listed_again(
    faults: Faults, change: str
) -> None:
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
    faults.check("one")
    assert changed
    [healed] = faults.world.run("one").healed
    assert "'PageViews/1' was deleted or overwritten after it was listed" in healed
    # No version but the one that counts was stored.
    assert faults.world.run("two").objects_parsed == 0


def test_an_object_that_changes_each_time_fails_the_run_after_a_bounded_number_of_listings(
    faults: Faults,
) -> None:
    faults.check("zero")
    before = faults.world.rows()
    faults.put("PageViews/3", view(3))
    numbers = iter(range(100, 200))

    def fault(request: Request, forward: Forward) -> Answer:
        if sort_of(request) == "get logs":
            faults.put("PageViews/3", view(next(numbers)))
        return forward()

    faults.fault = fault
    with pytest.raises(StorageError, match=r"each of 4 times.*'PageViews/3'"):
        faults.world.run("one")
    assert faults.world.rows() == before
    faults.fault = lambda request, forward: forward()
    assert faults.check("one") == 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_bodies_that_break_in_the_run_give_the_same_table(faults: Faults, suffix: str) -> None:
    body = "".join(view(user, f"/{user % 7}/") for user in range(2_000)).encode()
    faults.put(f"PageViews/large{suffix}", gzip.compress(body) if suffix else body)
    cuts = {"PageViews/1": [0, 1, 50], f"large{suffix}": [1, 5_000, 0, 0, 3_000]}
    wanted = sum(map(len, cuts.values()))
    broken = 0

    def fault(request: Request, forward: Forward) -> Answer:
        nonlocal broken
        answer = forward()
        for key, places in cuts.items():
            if key in request.path and sort_of(request) == "get logs" and places:
                answer.cut_after, answer.reset = places.pop(0), broken % 2 == 0
                broken += 1
        return answer

    faults.fault = fault
    faults.check("one")
    assert broken == wanted


def test_credentials_that_expire_in_the_run_are_told_and_fresh_ones_go_on(faults: Faults) -> None:
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


def test_the_logs_bucket_gets_no_requests_but_lists_and_gets(faults: Faults) -> None:
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
    "a b",
    " a ",
    "100%",
    "a%20b",
    "a+b",
    "a%2Fb",
    "a//b",
    "/a",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "😀",
    "a?b=c",
    "a#b",
    "a&b",
    "tab\there",
    "'\"`",
    "<&amp;>",
    "\\back",
    "x;y=z,@:$!*()[]{}|^~",
    "-rf",
    "線.jsonl",
]


def test_keys_of_every_sort_are_read_exactly_and_named_exactly(faults: Faults) -> None:
    for number, key in enumerate(NASTY):
        faults.put(f"PageViews/{key}", view(100 + number) + "{bad\n" + view(1) * 30)
    assert faults.check("one") == 4 + len(NASTY)
    named = faults.world.execute("SELECT object_key FROM rejected_records")
    assert sorted(key for (key,) in named) == sorted(f"PageViews/{key}" for key in NASTY)


def test_keys_with_newlines_are_read_exactly_and_named_exactly(faults: Faults) -> None:
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
