"""Small objects are asked for ahead of their turn, and still read in it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

from blocks import environment
from blocks.credentials import AwsSessionCredentials
from flows.errors import ObjectChanged
from flows.logs.objects import LogObject
from flows.storage.logs_bucket import LogsBucket
from flows.tasks.reading_ahead import AT_ONCE, reading_ahead
from tests.support.s3_proxy import Answer, Forward, Intercept, Request, intercepting
from tests.support.world import ACCESS_KEY, SECRET_KEY, Services

SECONDS = 60
BODIES = {f"PageViews/{number:02}.json": f"{number}".encode() * 9 for number in range(4 * AT_ONCE)}


@pytest.fixture
def through(s3_endpoint: str) -> Iterator[Callable[[Intercept], LogsBucket]]:
    """Gives a bucket of small objects as the product reads it, through an interceptor."""
    s3, bucket = Services(s3_endpoint, "").s3, "ahead"
    s3.create_bucket(Bucket=bucket)
    for key, body in BODIES.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    with ExitStack() as stack:

        def start(intercept: Intercept) -> LogsBucket:
            credentials = AwsSessionCredentials(
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SecretStr(SECRET_KEY),
                aws_client_parameters=AwsClientParameters(
                    endpoint_url=stack.enter_context(intercepting(s3_endpoint, intercept))
                ),
            )
            block = environment.LogsBucket(bucket_name=bucket, credentials=credentials)
            return LogsBucket(environment.s3_client(block), bucket, "")

        yield start
    for key in BODIES:
        s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket(Bucket=bucket)


def unit_of(logs: LogsBucket) -> list[LogObject]:
    """All objects of the bucket."""
    return [LogObject("page_views", *listed) for listed in logs.list("")]


def passed(request: Request, forward: Forward) -> Answer:
    """The endpoint's own answer."""
    return forward()


class Together:
    """Answers no object before `AT_ONCE` of them are asked for, and counts the requests."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self._barrier = threading.Barrier(AT_ONCE, timeout=SECONDS)

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if request.key:
            self.asked[request.key] += 1
            self._barrier.wait()
        return forward()


def test_objects_are_asked_for_together_and_each_once(
    through: Callable[[Intercept], LogsBucket],
) -> None:
    together = Together()
    logs = through(together)
    unit = unit_of(logs)

    with reading_ahead(logs, unit) as opened:
        read = {item.key: opened(item).read() for item in unit}

    assert read == BODIES
    assert together.asked == Counter(dict.fromkeys(BODIES, 1))


def test_an_object_that_has_changed_is_told_when_its_turn_comes(
    through: Callable[[Intercept], LogsBucket],
) -> None:
    logs = through(passed)
    unit = unit_of(logs)
    unit[AT_ONCE] = LogObject("page_views", unit[AT_ONCE].key, "0" * 32, unit[AT_ONCE].size)

    with reading_ahead(logs, unit) as opened:
        read = [opened(item).read() for item in unit[:AT_ONCE]]
        with pytest.raises(ObjectChanged) as raised:
            opened(unit[AT_ONCE])

    assert read == list(BODIES.values())[:AT_ONCE]
    assert repr(unit[AT_ONCE].key) in str(raised.value)


def test_one_object_is_read_as_a_stream(through: Callable[[Intercept], LogsBucket]) -> None:
    logs = through(passed)
    unit = unit_of(logs)[:1]

    with reading_ahead(logs, unit) as opened, opened(unit[0]) as stream:
        start, rest = stream.read(1), stream.read()

    assert start + rest == BODIES[unit[0].key]
