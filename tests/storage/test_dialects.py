"""Services other than AWS: a run is exact, or fails with an error that says what to do. The errors of S3."""

from __future__ import annotations

import pytest

from flows.errors import StorageError
from flows.storage.logs_bucket import LogsBucket
from tests.support.long import sampled
from tests.support.model import model
from tests.support.s3_dialects import EXACT, REFUSED
from tests.support.s3_proxy import Answer, Forward, Request, error, intercepting
from tests.support.world import SECRET_KEY, Services, World, product_client
from tests.test_user_page_views import assert_account, fill, update, view

pytestmark = pytest.mark.usefixtures("no_s3_waits")

LOGS = {f"PageViews/{name}": view(number) + view(9, "/b/") for number, name in enumerate(["1", "2", "a b+c%20d"])}
LOGS["UserUpdates/1"] = update(1, "one@example.com")


@pytest.mark.parametrize("dialect", sampled(EXACT, 8))
def test_a_run_is_exact_in_each_dialect(world: World, services: Services, dialect: str) -> None:
    objects = fill(world, LOGS)
    with intercepting(services.s3_endpoint, EXACT[dialect]) as url:
        world.register(S3_ENDPOINT_URL=url)
        first = world.run("one")
        assert (first.objects_parsed, first.healed) == (len(LOGS), [])
        assert_account(first, model(objects))
        objects |= fill(world, {"PageViews/3": view(4)})
        assert world.run("two").objects_parsed == 1
    assert world.rows() == model(objects).rows


@pytest.mark.parametrize("dialect", sampled(REFUSED, 6))
def test_what_cannot_be_read_exactly_is_an_error_that_says_what_to_do(
    world: World, services: Services, dialect: str
) -> None:
    fill(world, LOGS)
    intercept, words = REFUSED[dialect]
    with intercepting(services.s3_endpoint, intercept) as url:
        world.register(S3_ENDPOINT_URL=url)
        with pytest.raises(StorageError, match=words):
            world.run("one")
    assert world.execute("SELECT to_regclass('user_page_views')") == [(None,)]


ERRORS = {
    "404 NoSuchBucket, 404 NoSuchAccessPoint, 400 InvalidBucketName": "create the bucket",
    "403 AccessDenied, 403 AllAccessDisabled, 403 UnexpectedIPError": "'Least privilege'; also to the KMS key",
    "403 InvalidAccessKeyId, 403 NotSignedUp, 400 CredentialsNotSupported": "register valid AWS credentials",
    "403 SignatureDoesNotMatch, 403 InvalidSecurity, 400 UnsupportedSignature": "refuses the secret access key",
    "400 ExpiredToken, 400 InvalidToken, 400 TokenRefreshRequired": "register fresh AWS credentials",
    "403 RequestTimeTooSkewed": "correct its clock",
    "409 OperationAborted, 400 IncompleteBody": "run the same id again later",
    "503 SlowDown, 503 ServiceUnavailable, 500 InternalError, 400 RequestTimeout, 504 504": "run the same id again",
    "400 AuthorizationHeaderMalformed, 400 InvalidRegion, 400 IncorrectEndpoint": "register the right AWS_REGION",
    "400 KMS.DisabledException, 400 KMS.NotFoundException, 400 KMS.KMSInvalidStateException": "enable it, or store",
    "403 AccountProblem, 403 InvalidPayer": "ask its owner",
    "405 MethodNotAllowed, 501 NotImplemented, 400 InvalidRequest, 400 UserKeyMustBeSpecified": "is the address of S3",
    "400 UnknownCode": "look the code up",
}
PASSING = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "504"}


@pytest.mark.parametrize(
    ("answer", "words"), [(one, words) for all, words in ERRORS.items() for one in all.split(", ")]
)
def test_each_error_of_s3_has_a_remedy_and_only_passing_faults_are_tried_again(
    s3_endpoint: str, answer: str, words: str
) -> None:
    status, code = answer.split()
    gets = []

    def refuse(request: Request, forward: Forward) -> Answer:
        gets.append(request.path)
        return error(int(status), code)

    said = rf"{code}\): the bucket 'bucket' .*{words}"
    with intercepting(s3_endpoint, refuse) as url, pytest.raises(StorageError, match=said) as refused:
        LogsBucket(product_client(url), "bucket", "").list("")
    assert SECRET_KEY not in str(refused.value)
    assert len(gets) == (9 if code in PASSING else 1)


@pytest.mark.parametrize("facts", ["<StorageClass>GLACIER</StorageClass>", "<AccessTier>ARCHIVE_ACCESS</AccessTier>"])
def test_an_archived_object_is_named_with_its_class(s3_endpoint: str, facts: str) -> None:
    body = f"<Error><Code>InvalidObjectState</Code><Message>no</Message>{facts}</Error>".encode()
    words = rf"'PageViews/1'.*archived it \({facts.partition('>')[2].partition('<')[0]}\): restore it, or move it out"
    with intercepting(s3_endpoint, lambda *_: Answer(403, {}, body)) as url, pytest.raises(StorageError, match=words):
        LogsBucket(product_client(url), "bucket", "").read("PageViews/1", "etag", 1, str)
